#!/usr/bin/env python3
"""Writes golden/models/modules: a small PyTorch model for each class that INC patches, as its exporters
write it, and modules.json, the class of every module of every model.

    make_module_models.py [--out golden/models/modules] [--only REGEX]
    make_module_models.py --hollow SOURCE.onnx TARGET.onnx

The second form copies a model with zeros for weights, which weigh nothing in a repository: they are all
one file, zeros.bin, beside the target.

The classes compute what those of the same name compute in DeepSpeed, Optimum Habana, diffusers and
transformers. Weights come from fixed seeds. With the versions that golden/models/modules/README.md names
the files come out byte for byte the same.
"""
import argparse
import contextlib
import io
import json
import math
import os
import re
import warnings

import onnx
import onnxscript
import torch
import torch.nn.functional as F
from torch import library, nn

# ---- one rank of a collective ------------------------------------------------------------------


@library.custom_op("fp8c_test::all_reduce", mutates_args=())
def all_reduce(x: torch.Tensor) -> torch.Tensor:
    return x.clone()


@all_reduce.register_fake
def _(x):
    return torch.empty_like(x)


onnx.defs.register_schema(
    onnx.defs.OpSchema(
        "AllReduce", "com.microsoft", 1, inputs=[onnx.defs.OpSchema.FormalParameter("X", "T")],
        outputs=[onnx.defs.OpSchema.FormalParameter("Y", "T")],
        type_constraints=[("T", ["tensor(float)", "tensor(float16)"], "")]))
microsoft = onnxscript.values.Opset("com.microsoft", 1)


def translated_all_reduce(x):
    return microsoft.AllReduce(x)


torch.onnx.register_custom_op_symbolic(
    "fp8c_test::all_reduce",
    lambda g, x: g.op("com.microsoft::AllReduce", x).setType(x.type()), 17)

# ---- the classes -------------------------------------------------------------------------------


class Sharded(nn.Module):
    """A weight and perhaps a bias, as the layers of DeepSpeed hold them."""

    def __init__(self, inputs, outputs, bias=True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / inputs ** 0.5)
        self.bias = nn.Parameter(torch.randn(outputs) * 0.1) if bias else None

    def product(self, x):
        return torch.matmul(x, self.weight.transpose(-1, -2))

    def shifted(self, y):
        return y if self.bias is None else y + self.bias


class LinearLayer(Sharded):
    def forward(self, x):
        return self.shifted(self.product(x))


class LinearAllreduce(Sharded):
    def forward(self, x):
        return self.shifted(all_reduce(self.product(x)))


class ScopedLinearAllReduce(Sharded):
    """Its owner calls the three parts, with other operators in between."""

    def forward(self, x):
        return self.product(x)

    def all_reduce(self, y):
        return all_reduce(y)

    def post_all_reduce(self, y):
        return self.shifted(y)


class LmHeadLinearAllreduce(Sharded):
    """The second of two ranks that share the hidden size."""

    def forward(self, x):
        size = self.weight.shape[1]
        return self.shifted(all_reduce(self.product(x[:, :, size:2 * size])))


class FalconLinear(nn.Linear):
    def forward(self, x):
        hidden = x @ self.weight.T
        return hidden if self.bias is None else hidden + self.bias


class Matmul(nn.Module):
    def forward(self, *args):
        return torch.matmul(*args)


class Softmax(nn.Module):
    def forward(self, x, dim=-1):
        return F.softmax(x, dim=dim)


class ModuleFusedSDPA(nn.Module):
    def forward(self, query, key, value, mask=None, is_causal=False, scale=None):
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=is_causal, scale=scale)


class KVCache(nn.Module):
    """Tokens behind or into those of a cache [batch, heads, tokens, size]."""

    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, past, new, place=None):
        if self.way == "cat":
            return torch.cat([past, new], dim=-2)
        if self.way == "index_copy":
            return past.index_copy(2, place - 1, new)
        if self.way == "scatter":
            index = place.reshape(1, 1, -1, 1).expand(new.shape)
            return past.scatter(2, index, new)
        cache = past.clone()
        cache[:, :, :new.shape[2]] = new
        return cache


class LoRALinearLayer(nn.Module):
    def __init__(self, inputs, outputs, rank, alpha):
        super().__init__()
        self.down = nn.Linear(inputs, rank, bias=False)
        self.up = nn.Linear(rank, outputs, bias=False)
        self.factor = alpha / rank

    def forward(self, x):
        y = self.up(self.down(x))
        return y if self.factor == 1 else y * self.factor


class LoRAConv2dLayer(nn.Module):
    def __init__(self, inputs, outputs, rank, alpha):
        super().__init__()
        self.down = nn.Conv2d(inputs, rank, 3, padding=1, bias=False)
        self.up = nn.Conv2d(rank, outputs, 1, bias=False)
        self.factor = alpha / rank

    def forward(self, x):
        y = self.up(self.down(x))
        return y if self.factor == 1 else y * self.factor


class LoRACompatibleLinear(nn.Linear):
    def __init__(self, *sizes, adapter=None, **options):
        super().__init__(*sizes, **options)
        self.lora_layer = adapter

    def forward(self, x, scale=0.5):
        if self.lora_layer is None:
            return super().forward(x)
        return super().forward(x) + scale * self.lora_layer(x)


class LoRACompatibleConv(nn.Conv2d):
    def __init__(self, *sizes, adapter=None, **options):
        super().__init__(*sizes, **options)
        self.lora_layer = adapter

    def forward(self, x, scale=0.5):
        if self.lora_layer is None:
            return super().forward(x)
        return super().forward(x) + scale * self.lora_layer(x)


class B2BMatmul(Matmul):
    pass


class ColumnParallelLinear(LinearLayer):
    pass


class MergedColumnParallelLinear(LinearLayer):
    pass


class QKVParallelLinear(LinearLayer):
    pass


class RowParallelLinear(LinearAllreduce):
    pass


class ReplicatedLinear(LinearLayer):
    pass


class ParallelLMHead(LinearLayer):
    pass


# ---- the models --------------------------------------------------------------------------------

EXPORTERS = ("dynamo", "dynamo23", "dynamo_noopt", "ts")
MODELS = {}


def model(exporters=EXPORTERS, **dynamic):
    """Registers a function that gives a module and its inputs by name."""

    def register(function):
        MODELS[function.__name__] = (function, exporters, dynamic)
        return function

    return register


def split(x, heads):
    return x.reshape(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)


def join(x):
    return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], -1)


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(16, 32)
        self.fc2 = nn.Linear(32, 16, bias=False)
        self.shard1 = LinearLayer(16, 24)
        self.shard2 = LinearLayer(24, 16, bias=False)
        self.falcon1 = FalconLinear(16, 32)
        self.falcon2 = FalconLinear(32, 16, bias=False)
        self.score = nn.Linear(16, 4)

    def forward(self, x):
        x = x + self.fc2(F.gelu(self.fc1(x)))
        x = x + self.shard2(torch.tanh(self.shard1(x)))
        x = x + self.falcon2(F.gelu(self.falcon1(x)))
        return self.score(x[:, 0])


@model(x={0: "batch", 1: "tokens"})
def layers():
    return Mixed(), {"x": torch.randn(2, 5, 16)}


class Adapted(nn.Module):
    """Two of each with an adapter, one with a factor of its own, and one of each without."""

    def __init__(self):
        super().__init__()
        self.conv_in = nn.Conv2d(3, 8, 3, padding=1)
        self.conv1 = LoRACompatibleConv(8, 8, 3, padding=1, adapter=LoRAConv2dLayer(8, 8, 2, 2))
        self.conv2 = LoRACompatibleConv(8, 8, 3, padding=1, adapter=LoRAConv2dLayer(8, 8, 2, 4))
        self.conv3 = LoRACompatibleConv(8, 8, 1)
        self.to_q = LoRACompatibleLinear(8, 8, adapter=LoRALinearLayer(8, 8, 2, 2))
        self.to_out = LoRACompatibleLinear(8, 12, bias=False, adapter=LoRALinearLayer(8, 12, 2, 8))
        self.to_end = LoRACompatibleLinear(12, 6)

    def forward(self, x):
        x = self.conv1(F.silu(self.conv_in(x)))
        x = self.conv3(x + self.conv2(F.silu(x)))
        x = x.flatten(2).transpose(1, 2)
        return self.to_end(F.silu(self.to_out(F.silu(self.to_q(x)))))


@model(x={0: "batch"})
def lora():
    return Adapted(), {"x": torch.randn(2, 3, 8, 8)}


class ParallelBlock(nn.Module):
    """A decoder's layer as the ranks of a tensor-parallel group hold it."""

    def __init__(self):
        super().__init__()
        self.up = LinearLayer(16, 32)
        self.down = LinearAllreduce(32, 16)
        self.o_proj = LinearAllreduce(16, 16, bias=False)
        self.gated = ScopedLinearAllReduce(16, 16)
        self.residual = ScopedLinearAllReduce(16, 16, bias=False)
        self.gate = nn.Linear(16, 16)

    def forward(self, x):
        x = x + self.down(F.silu(self.up(x)))
        x = x + self.o_proj(x)
        gate = torch.sigmoid(self.gate(x))
        y = self.gated(x)
        y = self.gated.post_all_reduce(self.gated.all_reduce(y * gate))
        z = self.residual(torch.tanh(y))
        return self.residual.post_all_reduce(self.residual.all_reduce(z + y * 0.5))


class ParallelModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = ParallelBlock()
        self.lm_head = LmHeadLinearAllreduce(8, 20, bias=False)
        self.embed_out = LmHeadLinearAllreduce(8, 12)

    def forward(self, x):
        x = self.block(x)
        return self.lm_head(x), self.embed_out(x)


@model(x={0: "batch", 1: "tokens"})
def parallel():
    return ParallelModel(), {"x": torch.randn(2, 3, 16)}


class SelfAttention(nn.Module):
    """Grouped queries over a cache, of small modules or one fused one."""

    def __init__(self, way, fused=False, hidden=16, heads=4, groups=2):
        super().__init__()
        self.heads, self.groups, self.fused = heads, groups, fused
        size = hidden // heads
        self.q_proj = nn.Linear(hidden, hidden)
        self.k_proj = nn.Linear(hidden, groups * size)
        self.v_proj = nn.Linear(hidden, groups * size)
        self.o_proj = nn.Linear(hidden, hidden, bias=False)
        if way:
            self.k_cache = KVCache(way)
            self.v_cache = KVCache(way)
        if fused:
            self.fused_scaled_dot_product_attention = ModuleFusedSDPA()
        else:
            self.matmul_qk = Matmul()
            self.softmax = Softmax()
            self.matmul_av = Matmul()
        self.way = way

    def repeat(self, x):
        count = self.heads // self.groups
        x = x[:, :, None].expand(x.shape[0], x.shape[1], count, x.shape[2], x.shape[3])
        return x.reshape(x.shape[0], self.heads, x.shape[3], x.shape[4])

    def forward(self, x, mask, past_key=None, past_value=None, place=None):
        query = split(self.q_proj(x), self.heads)
        key = split(self.k_proj(x), self.groups)
        value = split(self.v_proj(x), self.groups)
        present = ()
        if self.way:
            present = (self.k_cache(past_key, key, place), self.v_cache(past_value, value, place))
            if self.way != "slice":  # a prompt is attended to as it is
                key, value = present
        key, value = self.repeat(key), self.repeat(value)
        if self.fused:
            y = self.fused_scaled_dot_product_attention(query, key, value, mask)
        else:
            scores = self.matmul_qk(query, key.transpose(2, 3)) / math.sqrt(query.shape[-1])
            y = self.matmul_av(self.softmax(scores + mask), value)
        return (self.o_proj(join(y)),) + present


class DecoderLayer(nn.Module):
    def __init__(self, way, fused):
        super().__init__()
        self.self_attn = SelfAttention(way, fused)

    def forward(self, x, *rest):
        y, *present = self.self_attn(x, *rest)
        return (x + y, *present)


class Decoder(nn.Module):
    def __init__(self, way, fused=False, count=1):
        super().__init__()
        self.way = way
        self.layers = nn.ModuleList(DecoderLayer(way, fused) for _ in range(count))

    def forward(self, x, mask, *rest):
        cached = 2 * len(self.layers) if self.way else 0
        place = rest[cached] if len(rest) > cached else None
        presents = ()
        for index, layer in enumerate(self.layers):
            past = rest[2 * index:2 * index + 2] if cached else (None, None)
            x, *present = layer(x, mask, *past, place)
            presents += tuple(present)
        return (x,) + presents


def decoder(way, fused=False, count=1, new=2, old=3):
    total = {"cat": old + new, "slice": new, None: new}.get(way, old)
    inputs = {"x": torch.randn(2, new, 16), "mask": torch.randn(2, 1, new, total)}
    for index in range(count if way else 0):
        for part in ("key", "value"):
            inputs[f"past_key_values.{index}.{part}"] = torch.randn(2, 2, old, 4)
    if way in ("index_copy", "scatter"):
        inputs["place"] = torch.arange(1, 1 + new)
    return Decoder(way, fused, count), inputs


@model()
def attention():
    return decoder(None)


@model()
def attention_cat():
    return decoder("cat")


@model()
def attention_index_copy():
    return decoder("index_copy")


@model(exporters=("dynamo", "dynamo_noopt", "ts"))
def attention_scatter():
    return decoder("scatter")


@model(exporters=("dynamo", "dynamo_noopt", "ts"))
def attention_slice():
    return decoder("slice")


@model()
def fused_sdpa():
    return decoder(None, fused=True)


@model(exporters=("dynamo", "ts"))
def fused_sdpa_cat():
    return decoder("cat", fused=True)


class Functional(nn.Module):
    """Attention by functions: what PyTorch offers as one, and its usual spellings in small ones."""

    def __init__(self, form):
        super().__init__()
        self.form = form

    def forward(self, q, k, v, mask, allowed):
        size = q.shape[-1]
        if self.form.startswith("sdpa"):
            options = {
                "sdpa": {}, "sdpa_bool": {"attn_mask": allowed}, "sdpa_float": {"attn_mask": mask},
                "sdpa_causal": {"is_causal": True}, "sdpa_scale": {"scale": 0.3}, "sdpa_gqa": {"enable_gqa": True},
            }[self.form]
            if self.form == "sdpa_gqa":
                k, v = k[:, :2], v[:, :2]
            return F.scaled_dot_product_attention(q, k, v, **options)
        if self.form == "gqa_reshape":  # the queries of a group are rows of one product
            k, v = k[:, :2], v[:, :2]
            rows = q.reshape(q.shape[0], 2, -1, size)
            weights = torch.softmax(rows @ k.transpose(2, 3) / size ** 0.5, -1)
            return (weights @ v).reshape(q.shape)
        if self.form == "gqa_expand":
            k, v = (x[:, :2, None].expand(-1, -1, 2, -1, -1).flatten(1, 2) for x in (k, v))
        if self.form == "flat":  # heads and batch as one axis
            flat = [x.flatten(0, 1) for x in (q, k, v)]
            scores = torch.baddbmm(torch.zeros(1), flat[0], flat[1].transpose(1, 2), beta=0, alpha=size ** -0.5)
            return torch.bmm(scores.softmax(-1), flat[2]).reshape(q.shape)
        if self.form == "half":  # as exporters write attention of fp16 models
            q, k, v = q.half(), k.half(), v.half()
        if self.form == "scale_before":
            q = q * size ** -0.5
        scores = q @ k.transpose(-1, -2)
        if self.form == "scale_after":
            scores = scores * size ** -0.5
        if self.form == "scale_div":
            scores = scores / size ** 0.5
        if self.form == "softcap":
            scores = torch.tanh(scores / 20) * 20 + mask
        if self.form == "mask_add":
            scores = scores + mask
        if self.form == "mask_where":
            scores = torch.where(allowed, scores, torch.finfo(scores.dtype).min)
        if self.form == "mask_fill":
            scores = scores.masked_fill(~allowed, float("-inf"))
        if self.form == "half":
            return (F.softmax(scores, -1, dtype=torch.float32).half() @ v).float()
        return F.softmax(scores, -1) @ v


class Forms(nn.Module):
    def __init__(self, forms):
        super().__init__()
        for form in forms:
            setattr(self, form, Functional(form))

    def forward(self, q, k, v, mask, allowed):
        # Each form has operands of its own, so that exporters merge nothing.
        return tuple(
            form(q * (1 + index), k * (2 + index), v + index, mask, allowed)
            for index, form in enumerate(self.children()))


def forms(*names):
    shape = (2, 4, 3, 8)
    return Forms(names), {
        "q": torch.randn(shape), "k": torch.randn(shape), "v": torch.randn(shape),
        "mask": torch.randn(2, 1, 3, 3), "allowed": torch.ones(3, 3).tril().bool()}


@model(exporters=("dynamo", "dynamo23", "ts"))
def forms_sdpa():
    return forms("sdpa", "sdpa_bool", "sdpa_float", "sdpa_causal", "sdpa_scale")


@model(exporters=("dynamo", "dynamo23"))  # TorchScript's exporter has no enable_gqa
def forms_gqa():
    return forms("sdpa_gqa")


@model(exporters=("dynamo", "ts"))
def forms_eager():
    return forms(
        "scale_before", "scale_after", "scale_div", "softcap", "mask_add", "mask_where", "mask_fill",
        "half", "flat", "gqa_expand", "gqa_reshape")


class Experts(nn.Module):
    """All experts' weights in one tensor, of which each token picks one."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(16, 4, bias=False)
        self.gate_up_proj = nn.Parameter(torch.randn(4, 16, 24) * 0.2)
        self.down_proj = nn.Parameter(torch.randn(4, 24, 16) * 0.2)

    def forward(self, x):
        weights, picked = self.gate(x).softmax(-1).max(-1)
        hidden = torch.bmm(x[:, None], self.gate_up_proj[picked])
        return torch.bmm(F.silu(hidden), self.down_proj[picked])[:, 0] * weights[:, None]


class Routed(nn.Module):
    def __init__(self):
        super().__init__()
        self.moe = Experts()
        self.head = nn.Linear(16, 8)

    def forward(self, x):
        return self.head(self.moe(x))


@model(exporters=("dynamo", "dynamo_noopt", "ts"))
def moe():
    return Routed(), {"x": torch.randn(6, 16)}


class PagedAttention(nn.Module):
    """Keys and values in blocks of tokens, which a mapping of zeros and ones gives to sequences."""

    def __init__(self):
        super().__init__()
        self.batch2block_matmul = B2BMatmul()
        self.matmul_qk = Matmul()
        self.softmax = Softmax()
        self.matmul_av = Matmul()
        self.block2batch_matmul = B2BMatmul()

    def forward(self, query, key, value, mapping):
        shape = query.shape
        query = self.batch2block_matmul(mapping, query.reshape(shape[0], -1)).reshape(-1, *shape[1:])
        weights = self.softmax(self.matmul_qk(query * 0.5, key.transpose(2, 3)))
        y = self.matmul_av(weights, value)
        return self.block2batch_matmul(mapping.t(), y.reshape(y.shape[0], -1)).reshape(shape)


class Paged(nn.Module):
    def __init__(self):
        super().__init__()
        self.impl = PagedAttention()

    def forward(self, query, key, value, mapping):
        return self.impl(query, key, value, mapping)


@model(exporters=("dynamo", "dynamo_noopt", "ts"))
def paged():
    return Paged(), {
        "query": torch.randn(2, 2, 1, 4), "key": torch.randn(3, 2, 8, 4), "value": torch.randn(3, 2, 8, 4),
        "mapping": torch.eye(3)[:, :2].contiguous()}


class ServedBlock(nn.Module):
    """The layers of vLLM, whose classes are taken only by name."""

    def __init__(self):
        super().__init__()
        self.qkv_proj = QKVParallelLinear(16, 24)
        self.o_proj = RowParallelLinear(24, 16)
        self.gate_up_proj = MergedColumnParallelLinear(16, 32, bias=False)
        self.down_proj = RowParallelLinear(32, 16, bias=False)
        self.fc = ColumnParallelLinear(16, 16)
        self.router = ReplicatedLinear(16, 4, bias=False)
        self.lm_head = ParallelLMHead(16, 12, bias=False)

    def forward(self, x):
        x = x + self.o_proj(torch.tanh(self.qkv_proj(x)))
        x = x + self.down_proj(F.silu(self.gate_up_proj(x)))
        x = torch.tanh(self.fc(x))
        return self.lm_head(x), self.router(x)


@model(exporters=("dynamo",))
def served():
    return ServedBlock(), {"x": torch.randn(2, 3, 16)}


# ---- writing -----------------------------------------------------------------------------------

# What is bulky and read by nothing; the traces hold paths of the machine.
BULKY = {"pkg.torch.onnx.stack_trace", "pkg.torch.onnx.fx_node", "namespace",
         "pkg.torch.export.ExportedProgram.graph_signature",
         "pkg.torch.export.ExportedProgram.range_constraints",
         "pkg.torch.onnx.original_node_name"}


def graphs(graph):
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from graphs(attribute.g)


def scrub(proto):
    def clean(holder):
        kept = [(p.key, p.value) for p in holder.metadata_props if p.key not in BULKY]
        del holder.metadata_props[:]
        for key, value in kept:
            holder.metadata_props.add(key=key, value=value)

    clean(proto)
    for graph in graphs(proto.graph):
        for holder in [graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer]:
            clean(holder)


def export(module, inputs, exporter, dynamic, path):
    outputs = [f"present.{name.split('.', 1)[1]}" for name in inputs if name.startswith("past")]
    names = ["y"] + outputs if outputs else None
    common = {"input_names": list(inputs), "output_names": names}
    arguments = tuple(inputs.values())
    with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if exporter == "ts":
            torch.onnx.export(
                module, arguments, path, dynamo=False, opset_version=17, dynamic_axes=dynamic or None, **common)
        else:
            shapes = None
            if dynamic:
                shapes = tuple(
                    {axis: torch.export.Dim.DYNAMIC for axis in dynamic.get(name, {})} or None for name in inputs)
            torch.onnx.export(
                module, arguments, path, dynamo=True, opset_version=23 if exporter == "dynamo23" else 18,
                optimize=exporter != "dynamo_noopt", dynamic_shapes=shapes, external_data=False, verbose=False,
                custom_translation_table={torch.ops.fp8c_test.all_reduce.default: translated_all_reduce}, **common)
    proto = onnx.load(path)
    scrub(proto)
    onnx.save(proto, path)


def main(out, only):
    os.makedirs(out, exist_ok=True)
    place = os.path.join(out, "modules.json")
    classes = json.load(open(place)) if only and os.path.exists(place) else {}
    for name, (function, exporters, dynamic) in MODELS.items():
        if only and not re.search(only, name):
            continue
        torch.manual_seed(2)
        module, inputs = function()
        module.eval()
        classes[name] = {path: type(child).__name__ for path, child in module.named_modules() if path}
        for exporter in exporters:
            path = os.path.join(out, f"{name}.{exporter}.onnx")
            try:
                export(module, inputs, exporter, dynamic, path)
                print(f"{name}.{exporter}: {os.path.getsize(path)} bytes")
            except Exception as error:  # noqa: BLE001
                print(f"{name}.{exporter}: {type(error).__name__}: {str(error).splitlines()[0]}")
    with open(place, "w") as file:
        json.dump(dict(sorted(classes.items())), file, indent=1)
        file.write("\n")


def hollow(source, target, least=256):
    """Every weight but the small ones becomes a range of a file of zeros."""
    proto = onnx.load(source)
    zeros = os.path.join(os.path.dirname(target), "zeros.bin")
    longest = os.path.getsize(zeros) if os.path.exists(zeros) else 0
    for graph in graphs(proto.graph):
        for weight in graph.initializer:
            if len(weight.raw_data) < least or weight.data_type in (onnx.TensorProto.INT64, onnx.TensorProto.INT32):
                continue
            longest = max(longest, len(weight.raw_data))
            onnx.external_data_helper.set_external_data(weight, "zeros.bin", offset=0, length=len(weight.raw_data))
            weight.ClearField("raw_data")
    scrub(proto)
    with open(target, "wb") as file:
        file.write(proto.SerializeToString())
    with open(zeros, "wb") as file:
        file.write(bytes(longest))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default="golden/models/modules")
    parser.add_argument("--only")
    parser.add_argument("--hollow", nargs=2, metavar=("SOURCE", "TARGET"))
    arguments = parser.parse_args()
    if arguments.hollow:
        hollow(*arguments.hollow)
    else:
        main(arguments.out, arguments.only)
