"""Seeded mutators: each takes a random.Random and the bytes of a valid file, and gives the bytes of one that may be broken.

Bytes know nothing of the format. Messages are cut into their fields by the schema of onnx.proto, so that a
mutant is mostly well-formed protobuf: names change places, which makes cycles, duplicates and shadowed values;
dimensions and types become extreme; messages move, multiply, vanish and nest.
"""

import io
import json
import struct
import sys
import zipfile

sys.setrecursionlimit(20_000)  # nested subgraphs

# Message type -> field number -> message type, as onnx.proto numbers them. What is not here is a number, a
# string or bytes.
MESSAGES = {
    "Model": {7: "Graph", 8: "Opset", 14: "Entry", 25: "Function"},
    "Graph": {1: "Node", 5: "Tensor", 11: "Value", 12: "Value", 13: "Value", 14: "Quantization",
              15: "Sparse", 16: "Entry"},
    "Node": {5: "Attribute", 9: "Entry"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 14: "Type", 15: "Type",
                  22: "Sparse", 23: "Sparse"},
    "Tensor": {3: "Segment", 13: "Entry", 16: "Entry"},
    "Sparse": {1: "Tensor", 2: "Tensor"},
    "Value": {2: "Type", 4: "Entry"},
    "Type": {1: "TensorType", 4: "Sequence", 5: "Map", 8: "TensorType", 9: "Optional"},
    "TensorType": {2: "Shape"},
    "Sequence": {1: "Type"},
    "Optional": {1: "Type"},
    "Map": {2: "Type"},
    "Shape": {1: "Dimension"},
    "Function": {7: "Node", 9: "Opset", 11: "Attribute", 12: "Value", 14: "Entry"},
    "Opset": {},
    "Entry": {},
    "Dimension": {},
    "Segment": {},
    "Quantization": {2: "Entry"},
}

NUMBERS = (0, 1, 2, 3, 5, 7, 8, 16, 17, 21, 23, 127, 128, 255, 1 << 16, (1 << 31) - 1, 1 << 31, 1 << 32,
           (1 << 62), (1 << 63) - 1, 1 << 63, (1 << 64) - 1, (1 << 64) - 2)

OPERATORS = (b"MatMul", b"Gemm", b"Conv", b"Softmax", b"Relu", b"Identity", b"Cast", b"Transpose", b"Reshape",
             b"If", b"Loop", b"Scan", b"QuantizeLinear", b"DequantizeLinear", b"Constant", b"ConstantOfShape",
             b"Concat", b"Split", b"Attention", b"ConvTranspose", b"Einsum", b"Nothing", b"", b"Where", b"Clip")


def mutated_bytes(rnd, data):
    """Flips, cuts, copies, inserts and overwrites."""
    data = bytearray(data)
    for _ in range(rnd.choice((1, 1, 2, 5, 20))):
        if not data:
            break
        place = rnd.randrange(len(data))
        kind = rnd.randrange(7)
        if kind == 0:
            data[place] ^= 1 << rnd.randrange(8)
        elif kind == 1:
            del data[place:]
        elif kind == 2:
            data[place:place] = data[place:place + rnd.randrange(1, 64)]
        elif kind == 3:
            del data[place:place + rnd.randrange(1, 64)]
        elif kind == 4:
            data[place] = rnd.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 5:
            data[place:place] = bytes(rnd.choice((0x0A, 0x80, 0xFF, 0x12)) for _ in range(rnd.randrange(1, 11)))
        else:
            other = rnd.randrange(len(data))
            size = rnd.randrange(1, 64)
            data[place:place + size] = data[other:other + size]
    return bytes(data)


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data, place):
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7


class Field:
    """One field of a message: a number, bytes, or a message whose fields are `value`."""

    def __init__(self, number, wire, value, kind=None):
        self.number, self.wire, self.value, self.kind = number, wire, value, kind

    def copy(self):
        value = [field.copy() for field in self.value] if self.kind else self.value
        return Field(self.number, self.wire, value, self.kind)

    def bytes(self):
        tag = varint(self.number << 3 | self.wire)
        if self.wire == 0:
            return tag + (self.value if isinstance(self.value, bytes) else varint(self.value))
        if self.wire == 2:
            body = serialized(self.value) if self.kind else self.value
            return tag + varint(len(body)) + body
        return tag + self.value


def parsed(data, kind):
    fields, place = [], 0
    while place < len(data):
        tag, place = read_varint(data, place)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, place = read_varint(data, place)
            fields.append(Field(number, 0, value))
        elif wire == 2:
            size, place = read_varint(data, place)
            body, place = data[place:place + size], place + size
            inner = MESSAGES[kind].get(number)
            fields.append(Field(number, 2, parsed(body, inner) if inner else body, inner))
        else:
            size = {1: 8, 5: 4}[wire]
            fields.append(Field(number, wire, data[place:place + size]))
            place += size
    return fields


def serialized(fields):
    return b"".join(field.bytes() for field in fields)


def places(fields, depth=0):
    """Every (list, index) of the tree."""
    for index, field in enumerate(fields):
        yield fields, index
        if field.kind and depth < 60:
            yield from places(field.value, depth + 1)


def mutated_message(rnd, data, kind="Model"):
    """One to four changes of the fields of a message; names come from the file's own."""
    try:
        root = parsed(data, kind)
    except (IndexError, KeyError):
        return mutated_bytes(rnd, data)  # the seed is a broken file itself
    for _ in range(rnd.choice((1, 1, 1, 2, 4))):
        all_places = list(places(root))
        if not all_places:
            break
        # Small fields outnumber the others: half of the changes are to messages.
        messages = [at for at in all_places if at[0][at[1]].kind]
        fields, index = rnd.choice(messages if messages and rnd.random() < 0.5 else all_places)
        change_field(rnd, fields, index, all_places)
    return serialized(root)


def change_field(rnd, fields, index, all_places):
    field = fields[index]
    choice = rnd.randrange(12)
    if choice == 0:
        del fields[index]
    elif choice == 1:
        for _ in range(rnd.choice((1, 1, 3, 100))):
            fields.insert(index, field.copy())
    elif choice == 2:
        other = rnd.randrange(len(fields))
        fields[index], fields[other] = fields[other], fields[index]
    elif choice == 3:
        similar = [at for at in all_places if at[0][at[1]].kind == field.kind and at[0][at[1]].wire == field.wire]
        other_fields, other_index = rnd.choice(similar)
        fields[index] = Field(field.number, field.wire, other_fields[other_index].copy().value, field.kind)
    elif choice == 4:
        field.number = rnd.choice((field.number + 1, max(1, field.number - 1), 99, 536870911, 19999))
    elif choice == 5:
        fields.insert(index, unknown_field(rnd))
    elif choice == 6 and field.kind == "Node":
        wrap_in_subgraphs(rnd, field)
    elif choice == 7 and field.kind == "Type":
        for _ in range(rnd.choice((1, 5, 30, 60, 200))):
            field.value = [Field(4, 2, [Field(1, 2, field.value, "Type")], "Sequence")]
    elif field.kind:
        inner = list(places(field.value))
        if inner:
            inner_fields, inner_index = rnd.choice(inner)
            change_value(rnd, inner_fields[inner_index], all_places)
        else:
            fields.insert(index, unknown_field(rnd))
    else:
        change_value(rnd, field, all_places)


def change_value(rnd, field, all_places):
    if field.kind:
        field.value = [] if rnd.random() < 0.3 else field.value[: rnd.randrange(len(field.value) + 1)]
    elif field.wire == 0:
        number = field.value if isinstance(field.value, int) else 0
        if rnd.random() < 0.05:
            # A long form of a small number, and one that never ends in ten bytes.
            field.value = rnd.choice((b"\x81\x80\x80\x80\x00", b"\xff" * 10 + b"\x01"))
        elif rnd.random() < 0.5:
            field.value = (number + rnd.choice((1, -1, 2, 100))) & (1 << 64) - 1
        else:
            field.value = rnd.choice(NUMBERS)
    elif field.wire == 2:
        change_bytes(rnd, field, all_places)
    else:
        field.value = rnd.choice((b"\0" * 8, b"\xff" * 8, struct.pack("<d", 1e300)))[: len(field.value)]


def change_bytes(rnd, field, all_places):
    choice = rnd.randrange(6)
    if choice < 3:
        names = [at[0][at[1]].value for at in all_places
                 if at[0][at[1]].wire == 2 and not at[0][at[1]].kind and len(at[0][at[1]].value) < 200]
        field.value = rnd.choice(names) if names else b""
    elif choice == 3:
        field.value = rnd.choice(OPERATORS)
    elif choice == 4:
        field.value = mutated_bytes(rnd, field.value)
    else:
        field.value = rnd.choice((
            b"", b"\0", b"\xff\xfe", "x\u202ey".encode(), b"\x1b[31m", b"<script>", b"../../x", b"/etc/passwd",
            b"a" * 100000, field.value[:-1], field.value + b"\0", b"*/_ORT_MEM_ADDR_/*"))


def unknown_field(rnd):
    return rnd.choice((
        Field(1000, 0, 7),
        Field(1001, 2, b"unknown"),
        Field(2, 3, b""),  # a group that does not end
        Field(2, 4, b""),  # an end without a group
        Field(3, 7, b""),  # a wire type that is none
        Field(1, 2, b"\x80" * 20),
        Field(15, 0, b"\xff" * 11),
    ))


def wrap_in_subgraphs(rnd, node):
    """The node inside the branches of an If inside the branches of an If ..."""
    for _ in range(rnd.choice((1, 3, 31, 100, 400))):
        graph = [Field(1, 2, node.value, "Node"), Field(2, 2, b"g")]
        node.value = [
            Field(1, 2, b"c"), Field(2, 2, b"y"), Field(4, 2, b"If"),
            Field(5, 2, [Field(1, 2, b"then_branch"), Field(6, 2, graph, "Graph"), Field(20, 0, 5)], "Attribute"),
        ]


HARD_JSON = (
    b"[" * 100_000, b"{\"a\":" * 100_000, b"NaN", b"Infinity", b"1e999", b"-1e999", b"1e-999", b"0123", b"\"\\ud800\"",
    b"\"\\u0000\"", b"\"" + b"a" * 1_000_000 + b"\"", b"18446744073709551616", b"-0", b"1E400", b"{}", b"[]", b"null",
    b"true", b"\"\"", b"\"[\"", b"\"(*)\"", b"\"(a+)+$\"", b"0.1", b"-1", b"3.4028236e38", b"1e-46", b"[[]]", b"\"\xff\"",
)


def mutated_json(rnd, data):
    """Changes of a JSON text that know its values, and of its bytes."""
    choice = rnd.randrange(8)
    if choice == 0:
        return mutated_bytes(rnd, data)
    if choice == 1:
        return rnd.choice((
            b"\xef\xbb\xbf" + data, data.decode("utf-8", "replace").encode("utf-16"), data + b"}", data + data,
            b"", b"\0", data[:-1], data.replace(b",", b",,", 1), data.replace(b":", b"", 1)))
    try:
        tree = json.loads(data)
    except ValueError:
        return mutated_bytes(rnd, data)
    values = []

    def visit(container):
        items = container.items() if isinstance(container, dict) else enumerate(container)
        for key, value in list(items):
            values.append((container, key))
            if isinstance(value, (dict, list)):
                visit(value)

    if isinstance(tree, (dict, list)):
        visit(tree)
    for _ in range(rnd.choice((1, 1, 2, 5))):
        if not values:
            break
        container, key = rnd.choice(values)
        other_container, other_key = rnd.choice(values)
        kind = rnd.randrange(5)
        try:
            if kind == 0:
                del container[key]
            elif kind == 1:
                container[key] = "@@hard@@"
            elif kind == 2:
                # A copy, so that the tree stays one.
                container[key] = json.loads(json.dumps(other_container[other_key]))
            elif kind == 3 and isinstance(container, dict):
                container[rnd.choice((key + "x", "", "Mode", key.upper(), "__proto__"))] = container.pop(key)
            elif isinstance(container[key], str):
                container[key] = mutated_bytes(rnd, container[key].encode()).decode("utf-8", "replace")
            elif isinstance(container[key], (int, float)):
                container[key] = rnd.choice((0, -1, 1e300, 1 << 63, 0.5, True, None, str(container[key])))
        except (KeyError, IndexError):
            pass  # an earlier change removed it
    text = json.dumps(tree, ensure_ascii=False).encode("utf-8", "surrogatepass")
    while b"\"@@hard@@\"" in text:
        text = text.replace(b"\"@@hard@@\"", rnd.choice(HARD_JSON), 1)
    if choice == 2:
        # The first key once more.
        start = text.find(b"\"")
        end = text.find(b",", start)
        if start > 0 and end > 0:
            text = text[:start] + text[start:end] + b"," + text[start:]
    return text


def mutated_npz(rnd, data):
    """Changes of an archive's bytes, of its members' headers and arrays, of its compression, and pickles that would run."""
    if rnd.random() < 0.3:
        return mutated_bytes(rnd, data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except Exception:  # zipfile lets errors of a dozen types through
        return mutated_bytes(rnd, data)  # the seed is a broken file itself
    if not members:
        return mutated_bytes(rnd, data)
    name = rnd.choice(sorted(members))
    body = members[name]
    choice = rnd.randrange(10)
    if choice == 0:
        members[name] = mutated_bytes(rnd, body)
    elif choice == 1:
        # Only the header, whose length stays right.
        size = min(len(body), 128)
        members[name] = mutated_bytes(rnd, body[:size])[:size].ljust(size) + body[size:]
    elif choice == 2:
        shape = rnd.choice((b"(9223372036854775807,)", b"(-1,)", b"(4294967296, 4294967296)", b"(0,)", b"()", b"(1e9,)",
                            b"(" * 1000, b"(1," * 500, b"(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,)"))
        members[name] = npy(rnd.choice((b"<f4", b"<f8", b"|O", b"<i8", b"<V2", b">f4", b"|u1", b"<f16", b"<U9")), shape)
    elif choice == 3:
        members[name] = npy(b"|O", b"()") + b"cos\nsystem\n(S'false'\ntR."
    elif choice == 4:
        members[name] = npy(b"|O", b"()") + mutated_bytes(rnd, b"\x80\x04}\x94(\x8c\x01a\x94]\x94(G?\xf0\0\0\0\0\0\0eu.")
    elif choice == 5:
        members[name] = npy(b"<f4", b"(67108864,)") + bytes(1 << 22)
    elif choice == 6:
        del members[name]
    elif choice == 7:
        members[rnd.choice(("../../x.npy", ".npy", "/x.npy", name.upper(), "a" * 60000 + ".npy"))] = members.pop(name)
    else:
        members[rnd.choice(sorted(members))] = body
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", rnd.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for key, value in members.items():
            archive.writestr(key, value)
    result = out.getvalue()
    return mutated_bytes(rnd, result) if choice == 9 else result


def npy(descr, shape):
    header = b"{'descr': '" + descr + b"', 'fortran_order': False, 'shape': " + shape + b", }"
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) & 0xFFFF) + header


def mutated_text(rnd, data):
    """Changes of textual IR: tokens change places, vanish, multiply and nest."""
    if rnd.random() < 0.3:
        return mutated_bytes(rnd, data)
    tokens = data.split(b" ")
    for _ in range(rnd.choice((1, 1, 2, 5))):
        place = rnd.randrange(len(tokens))
        choice = rnd.randrange(6)
        if choice == 0 and len(tokens) > 1:
            del tokens[place]
        elif choice == 1:
            tokens[place] = rnd.choice(tokens)
        elif choice == 2:
            tokens.insert(place, rnd.choice(tokens))
        elif choice == 3:
            tokens[place] = rnd.choice((b"{" * 50_000, b"(" * 50_000, b"\"", b"%", b"@", b"#", b"->", b"9" * 40, b"-1",
                                        b"1e999", b"\"\\xff\"", b"\"" + b"a" * 300_000 + b"\"", b"f32[9223372036854775807]"))
        elif choice == 4:
            tokens[place] = mutated_bytes(rnd, tokens[place])
        else:
            other = rnd.randrange(len(tokens))
            tokens[place], tokens[other] = tokens[other], tokens[place]
    return b" ".join(tokens)
