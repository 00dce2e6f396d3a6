/* Forgets the registers of a header before, so that a file may use several of them in turn. */
#undef LANES
#undef V
#undef M
#undef ZERO
#undef SET
#undef LOAD
#undef FMA
#undef MASK
#undef MASKED_LOAD
#undef MASKED_STORE
#undef ADD
#undef MAX
#undef MIN
#undef KEEP_NAN
#undef CANONICAL
