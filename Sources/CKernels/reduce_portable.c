#include <stddef.h>
#include <stdint.h>

#include "furc_arithmetic.h"
#include "furc_reduce.h"

#pragma STDC FP_CONTRACT OFF
#define LEVEL(name) name##_portable
#include "reduce_body.h"
