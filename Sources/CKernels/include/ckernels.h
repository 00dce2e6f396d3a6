#ifndef FURC_CKERNELS_H
#define FURC_CKERNELS_H
#include <stdint.h>
#endif
