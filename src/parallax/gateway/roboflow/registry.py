"""``GET /model/registry``: what is served; the SDK asks before every request."""

from starlette import requests, responses

from parallax.contract import spec
from parallax.gateway import ops
from parallax.gateway.roboflow import aliases, infer

_PATHS = {infer.TASK: ["/infer/object_detection"]}


async def show(request: requests.Request) -> responses.Response:
    """List the models. Keys and other query parameters are ignored."""
    models = ops.context_of(request).models.all()
    return ops.json(
        {
            "models": [_entry(model) for model in models],
            "total_vram_bytes": None,
            "gpu_memory_used": None,
            "gpu_memory_total": None,
            "torch_cuda_allocated": None,
            "torch_cuda_reserved": None,
            "torch_cuda_allocator_cache": None,
            "non_torch_gpu_memory": None,
        }
    )


def _entry(model: spec.ModelSpec) -> dict[str, object]:
    # The SDK resolves aliases itself and then looks for exactly the id behind them.
    target = aliases.canonical(model.id)
    names = {*model.aliases, model.id, *aliases.ALIASES.get(target, ())} - {target}
    return {
        "model_id": target,
        "task_type": model.task,
        "batch_size": model.batch.fixed_size,
        "input_height": model.input.height,
        "input_width": model.input.width,
        "vram_bytes": None,
        "request_aliases": sorted(names),
        "request_paths": _PATHS.get(model.task, []),
    }
