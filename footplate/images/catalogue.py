"""The images that Footplate ships. Each has a folder of its name in ``images/``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from footplate.images.errors import MachineLacks, UnknownImage

REGISTRY = "footplate.local"

Torch = Literal["cpu", "cuda"]

#: PyTorch's own index of wheels without CUDA. Source: https://pytorch.org/get-started/locally/
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"


@dataclass(frozen=True)
class Image:
    name: str
    title: str
    description: str
    #: A standard environment: users' code runs in it. The platform's own image is none.
    environment: bool = True
    #: Distributions whose versions the catalogue shows.
    packages: tuple[str, ...] = ()
    #: vscode: it has VS Code (code-server) beside JupyterLab.
    ide: Literal["jupyterlab", "vscode"] = "jupyterlab"
    #: Built where it is named, and not with all.
    on_demand: bool = False
    #: Its folder has a Dockerfile of its own; else it is built by that of `images/environment`.
    own_dockerfile: bool = False

    @property
    def dockerfile(self) -> str:
        """Relative to the repository, which is the build's context."""
        return f"images/{self.name if self.own_dockerfile else 'environment'}/Dockerfile"

    def arguments(self, variant: Torch) -> dict[str, str]:
        """Build arguments of `images/environment`."""
        return {} if self.own_dockerfile else {"ENVIRONMENT": self.name, "IDE": self.ide, "VARIANT": variant}


IMAGES = (
    Image(
        name="platform",
        title="Platform",
        description="The controllers and the agent.",
        environment=False,
        own_dockerfile=True,
    ),
    Image(
        name="jupyter",
        title="JupyterLab",
        description="JupyterLab with a Python kernel, numpy, pandas, matplotlib and the Footplate SDK.",
        packages=("jupyterlab", "ipykernel", "numpy", "pandas", "matplotlib"),
    ),
    Image(
        name="pytorch",
        title="PyTorch",
        description="PyTorch and scikit-learn, JupyterLab, the Footplate SDK and its checkpoint contract.",
        packages=("torch", "scikit-learn", "numpy", "jupyterlab", "ipykernel"),
        own_dockerfile=True,
    ),
    Image(
        name="base",
        title="Base",
        description="JupyterLab with a Python kernel and the Footplate SDK: projects bring their own packages.",
        packages=("jupyterlab", "ipykernel"),
        on_demand=True,
    ),
    Image(
        name="datascience",
        title="Data science",
        description="pandas, polars, DuckDB, Arrow, scikit-learn and plots, JupyterLab and the Footplate SDK.",
        packages=("pandas", "polars", "duckdb", "pyarrow", "scikit-learn", "matplotlib", "jupyterlab"),
        on_demand=True,
    ),
    Image(
        name="jax",
        title="JAX",
        description="JAX with Flax, Optax and Orbax, JupyterLab and the Footplate SDK.",
        packages=("jax", "flax", "optax", "orbax-checkpoint", "numpy", "jupyterlab"),
        on_demand=True,
    ),
    Image(
        name="vscode",
        title="VS Code",
        description="VS Code in the browser (code-server), for spec.ide vscode, JupyterLab and the Footplate SDK.",
        packages=("jupyterlab", "ipykernel"),
        ide="vscode",
        on_demand=True,
    ),
)

NAMES = tuple(image.name for image in IMAGES)
#: What is built where nothing is named.
ALWAYS = tuple(image.name for image in IMAGES if not image.on_demand)


def find(name: str) -> Image:
    for image in IMAGES:
        if image.name == name:
            return image
    raise UnknownImage(f"There is no image {name!r}.", f"the images are {', '.join(NAMES)}")


def repository() -> Path:
    """The directory that holds ``images/`` and ``footplate/``: the context of every build."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "images" / "platform" / "Dockerfile").is_file():
        raise MachineLacks(
            f"Images are built from Footplate's repository, and {root} is not one.",
            "run the command from a clone: uv run footplate …",
        )
    return root
