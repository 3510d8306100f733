#ifndef FP8C_ONNX_H
#define FP8C_ONNX_H
#include "onnx.pb-c.h"

/// The descriptor of ModelProto, at the address the generated code uses.
static inline const ProtobufCMessageDescriptor *onnx_model_descriptor(void) {
  return &onnx__model_proto__descriptor;
}

#endif
