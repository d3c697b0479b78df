/* fuzz.h - the one function of a harness
 *
 * libFuzzer calls it with what it makes up; fuzz_main.c calls it with the
 * seeds and what it derives from them, on any compiler.  A harness asserts what
 * must hold for every input, and leaks nothing.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#endif
