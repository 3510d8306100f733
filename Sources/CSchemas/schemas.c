#include "schemas.h"

// #embed is C23; as an extension it is part of every clang that Swift ships.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char config[] = {
#embed "../../schemas/config.schema.json"
};
static const unsigned char diagnostics[] = {
#embed "../../schemas/diagnostics.json"
};
static const unsigned char inspect[] = {
#embed "../../schemas/inspect.schema.json"
};
static const unsigned char measurement[] = {
#embed "../../schemas/measurement.schema.json"
};
static const unsigned char methods[] = {
#embed "../../schemas/methods.json"
};
static const unsigned char modules[] = {
#embed "../../schemas/modules.json"
};
static const unsigned char operators[] = {
#embed "../../schemas/operators.json"
};
static const unsigned char opsets[] = {
#embed "../../schemas/opsets.json"
};
static const unsigned char results[] = {
#embed "../../schemas/results.json"
};
static const unsigned char scale_table[] = {
#embed "../../schemas/scale-table.schema.json"
};
static const unsigned char target[] = {
#embed "../../schemas/target.schema.json"
};
static const unsigned char gaudi2[] = {
#embed "../../schemas/targets/gaudi2.json"
};
static const unsigned char gaudi3[] = {
#embed "../../schemas/targets/gaudi3.json"
};
static const unsigned char generic[] = {
#embed "../../schemas/targets/generic.json"
};

#define SCHEMA(path, bytes) {path, bytes, sizeof(bytes)}

const fp8c_schema fp8c_schemas[] = {
    SCHEMA("config.schema.json", config),
    SCHEMA("diagnostics.json", diagnostics),
    SCHEMA("inspect.schema.json", inspect),
    SCHEMA("measurement.schema.json", measurement),
    SCHEMA("methods.json", methods),
    SCHEMA("modules.json", modules),
    SCHEMA("operators.json", operators),
    SCHEMA("opsets.json", opsets),
    SCHEMA("results.json", results),
    SCHEMA("scale-table.schema.json", scale_table),
    SCHEMA("target.schema.json", target),
    SCHEMA("targets/gaudi2.json", gaudi2),
    SCHEMA("targets/gaudi3.json", gaudi3),
    SCHEMA("targets/generic.json", generic),
};

const size_t fp8c_schema_count = sizeof(fp8c_schemas) / sizeof(fp8c_schemas[0]);
