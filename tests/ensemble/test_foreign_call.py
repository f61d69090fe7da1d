"""XLA's structures, as they are written here with ctypes, against the header that comes with JAX."""

from __future__ import annotations

import re
from pathlib import Path

import jax
import pytest

from diracgan.ensemble import foreign_call

# their name -> ours; what is not used here may have any name
FUNCTIONS = {
    "Error_Create": "create_error",
    "Error_Destroy": "destroy_error",
    "Stream_Get": "stream",
    "DeviceOrdinal_Get": "device",
}
FIELDS = {
    "CallFrame": (foreign_call._Frame, "struct_size extension_start api ctx stage args rets attrs"),
    "Args": (foreign_call._Buffers, "struct_size extension_start size types args"),
    "Rets": (foreign_call._Buffers, "struct_size extension_start size types rets"),
    "Attrs": (foreign_call._Attributes, "struct_size extension_start size types names attrs"),
    "Buffer": (foreign_call._Buffer, "struct_size extension_start dtype data rank dims"),
    "Error_Create_Args": (foreign_call._Failure, "struct_size extension_start message errc"),
    "Stream_Get_Args": (foreign_call._Query, "struct_size extension_start ctx stream"),
    "DeviceOrdinal_Get_Args": (foreign_call._Query, "struct_size extension_start ctx device_ordinal"),
    "Api_Version": (foreign_call._Version, "struct_size extension_start major_version minor_version"),
    "Metadata": (foreign_call._Metadata, "struct_size api_version traits"),
}


def header():
    text = (Path(jax.ffi.include_dir()) / "xla/ffi/api/c_api.h").read_text(encoding="utf-8")
    return re.sub(r"//[^\n]*", "", text)


def test_the_functions_stand_where_they_are_looked_for():
    theirs = re.findall(r"_XLA_FFI_API_STRUCT_FIELD\(XLA_FFI_(\w+)\)", header())
    for name, ours in FUNCTIONS.items():
        assert theirs.index(name) == foreign_call._FUNCTIONS.index(ours), name


@pytest.mark.parametrize("name", FIELDS)
def test_the_fields_of_a_structure_come_in_the_headers_order(name):
    """Later ones may have been added at the end."""
    made, fields = FIELDS[name]
    body = re.search(rf"struct XLA_FFI_{name} \{{(.*?)\}};", header(), re.DOTALL)
    assert body is not None
    theirs = re.findall(r"(\w+);", body[1])
    assert theirs[: len(fields.split())] == fields.split()
    assert len(made._fields_) == len(fields.split())
