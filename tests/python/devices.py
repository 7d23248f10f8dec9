"""What depends on the devices there are."""

import mlx.core as mx
import pytest

HAS_GPU = mx.is_available(mx.gpu)
IS_CUDA = HAS_GPU and "compute_capability_major" in mx.device_info(mx.gpu)  # the mock has none
without_gpu = pytest.mark.skipif(HAS_GPU, reason="says what holds where there is no GPU")
in_host_memory = pytest.mark.skipif(HAS_GPU, reason="counts the host's memory")
with_fork = pytest.mark.skipif(HAS_GPU, reason="a device does not follow a forked process")
