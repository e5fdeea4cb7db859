"""Files and directories to and from a workspace, as tar through exec: no server in the pod, no port.

What arrives is unpacked beside its place and then renamed: a copy that ends early leaves nothing, or the files of before.
Nothing that an archive says leads out of where it is unpacked.
"""

from footplate.client.copying.download import download
from footplate.client.copying.places import Remote, place
from footplate.client.copying.upload import upload

__all__ = ["Remote", "download", "place", "upload"]
