#ifndef FURC_CONNX_H
#define FURC_CONNX_H
#endif
