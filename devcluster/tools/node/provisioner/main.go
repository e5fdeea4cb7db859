// Dynamic provisioning for a one-machine cluster: a claim becomes a directory and a local volume on the chosen node.
//
// A process of the machine, not a pod: it needs no image and answers in milliseconds. With -directories=false it
// makes volumes without directories, for clusters whose nodes are all simulated.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

const provisionerName = "footplate.dev/local-directory"

type directories struct {
	root string // absolute; every volume is a direct child
	make bool
}

func (d directories) Provision(_ context.Context, options controller.ProvisionOptions) (*v1.PersistentVolume, controller.ProvisioningState, error) {
	claim := options.PVC
	if claim.Spec.Selector != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("spec.selector is not supported: a new directory matches no labels")
	}
	for _, mode := range claim.Spec.AccessModes {
		if mode == v1.ReadOnlyMany || (mode == v1.ReadWriteMany && options.SelectedNodeName == "") {
			return nil, controller.ProvisioningFinished, fmt.Errorf("access mode %s is not supported: the volume lives on one node", mode)
		}
	}
	if options.SelectedNodeName == "" {
		return nil, controller.ProvisioningFinished, fmt.Errorf("no node is selected: the storage class needs volumeBindingMode WaitForFirstConsumer")
	}
	name := strings.Join([]string{options.PVName, claim.Namespace, claim.Name}, "_")
	path := filepath.Join(d.root, name)
	if d.make {
		if err := os.MkdirAll(path, 0o777); err != nil {
			return nil, controller.ProvisioningFinished, err
		}
		if err := os.Chmod(path, 0o777); err != nil { // MkdirAll obeys the umask
			return nil, controller.ProvisioningFinished, err
		}
	}
	filesystem := v1.PersistentVolumeFilesystem
	return &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: options.PVName},
		Spec: v1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *options.StorageClass.ReclaimPolicy,
			AccessModes:                   claim.Spec.AccessModes,
			VolumeMode:                    &filesystem,
			Capacity:                      v1.ResourceList{v1.ResourceStorage: claim.Spec.Resources.Requests[v1.ResourceStorage]},
			MountOptions:                  options.StorageClass.MountOptions,
			PersistentVolumeSource:        v1.PersistentVolumeSource{Local: &v1.LocalVolumeSource{Path: path}},
			NodeAffinity: &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
				MatchExpressions: []v1.NodeSelectorRequirement{{
					Key: v1.LabelHostname, Operator: v1.NodeSelectorOpIn, Values: []string{options.SelectedNodeName},
				}},
			}}}},
		},
	}, controller.ProvisioningFinished, nil
}

func (d directories) Delete(_ context.Context, volume *v1.PersistentVolume) error {
	if volume.Spec.Local == nil || filepath.Dir(volume.Spec.Local.Path) != d.root {
		return &controller.IgnoredError{Reason: "the volume is not a directory of " + d.root}
	}
	if !d.make {
		return nil
	}
	return os.RemoveAll(volume.Spec.Local.Path)
}

func main() {
	klog.InitFlags(nil)
	kubeconfig := flag.String("kubeconfig", "", "path of the kubeconfig")
	root := flag.String("root", "", "absolute directory that holds the volumes")
	makeDirectories := flag.Bool("directories", true, "make and remove directories; false for simulated nodes")
	qps := flag.Float64("kube-api-qps", 200, "requests a second to the API server; bursts are twice that")
	workers := flag.Int("workers", 16, "claims provisioned at once")
	flag.Parse()
	if !filepath.IsAbs(*root) {
		klog.Fatalf("-root %q: an absolute directory is needed", *root)
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		klog.Fatalf("-kubeconfig: %v", err)
	}
	config.QPS, config.Burst = float32(*qps), int(2**qps)
	config.UserAgent = "footplate-provisioner"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		klog.Fatalf("client: %v", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	controller.NewProvisionController(
		ctx, client, provisionerName, directories{root: filepath.Clean(*root), make: *makeDirectories},
		controller.LeaderElection(false), controller.Threadiness(*workers), controller.MetricsPort(0),
	).Run(ctx)
}
