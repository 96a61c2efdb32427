"""Routers on disk: the network as ONNX, arrays as safetensors, and a manifest written last."""

from onehead.artifact.atomic import check_writable, nearest_folder, replacing
from onehead.artifact.files import check_target, load, save
from onehead.artifact.manifest import FORMAT_VERSION, Artifact, EncoderRecord, Manifest, presets_of
from onehead.artifact.profiles import profiles_of

__all__ = [
    "FORMAT_VERSION",
    "Artifact",
    "EncoderRecord",
    "Manifest",
    "check_target",
    "check_writable",
    "load",
    "nearest_folder",
    "presets_of",
    "profiles_of",
    "replacing",
    "save",
]
