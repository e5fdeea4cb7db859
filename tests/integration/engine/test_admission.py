"""The platform's admission policies by the embedded engine."""

from tests.integration.engine.conftest import Lab

PROGRAM = """
from components.admission import Admission
from footplate.api.platform import Maximum, Platform

settings = Platform("0", "i", "s3://b/s", (), allowed_images=("registry.example/*",), maximum=Maximum(gpu=int(version)))
Admission("admission", settings, [])
"""
GROUP = "admissionregistration.k8s.io/v1"


async def test_they_are_applied_left_alone_and_changed_with_the_settings(lab: Lab) -> None:
    lab.write(PROGRAM)
    try:
        await lab.up("1")
        assert lab.errors() == ""
        for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"):
            for name in ("footplate-specs", "footplate-entrances"):
                assert await lab.get(kind, name, GROUP) is not None
        assert not (await lab.up("1")).changed
        await lab.up("2")
        assert set(lab.ops()) == {"footplate-specs"}
    finally:
        await lab.stack().destroy(lab.observe)
    assert await lab.get("ValidatingAdmissionPolicy", "footplate-specs", GROUP) is None
