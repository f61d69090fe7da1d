from .callbacks import (
    keras_callback as keras_callback,
    lightning_callback as lightning_callback,
    torch_hook as torch_hook,
    transformers_callback as transformers_callback,
)
from .diagnose import Diagnosis as Diagnosis, diagnose as diagnose
from .live import Monitor as Monitor
