// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tessera::bench {

/// Runs `rounds` rounds of independent fused multiply-adds in registers, on the instruction set that the kernels use;
/// returns how many floating-point operations that was.
double run_multiply_adds(std::int64_t rounds);

/// Billions of fp32 operations a second of one core: the best of `windows` windows of about 40 microseconds.
double measure_peak_gflops(int windows);

/// Billions of operations a second of one core with its bf16 dot products (two products and two additions to an fp32
/// lane each); 0 where it has none.
double measure_bf16_gflops(int windows);

/// Billions of bytes a second that one core copies from memory to memory (read and written count once each).
double measure_copy_gbytes();

}  // namespace tessera::bench
