#include "connx.h"

Onnx__ModelProto *connx_model_unpack(const uint8_t *bytes, size_t count) {
  return onnx__model_proto__unpack(NULL, count, bytes);
}

void connx_model_free(Onnx__ModelProto *model) {
  if (model != NULL) {
    onnx__model_proto__free_unpacked(model, NULL);
  }
}
