#include "furc_functions.h"
#include "furc_npu.h"
#include "furc_program.h"
#include "npu_step.h"

#pragma STDC FP_CONTRACT OFF
#define LEVEL(name) name##_portable
#include "npu_body.h"
