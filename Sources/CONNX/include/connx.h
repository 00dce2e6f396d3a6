#ifndef FURC_CONNX_H
#define FURC_CONNX_H

#include <stddef.h>
#include <stdint.h>

#include "onnx-ml.pb-c.h"

/* The message in `bytes`, or NULL when it does not parse or memory is short. libprotobuf-c recurses and
 * copies without limit: hand it only skeletons of the wire walk. Free with connx_model_free. */
Onnx__ModelProto *connx_model_unpack(const uint8_t *bytes, size_t count);
void connx_model_free(Onnx__ModelProto *model);

#endif
