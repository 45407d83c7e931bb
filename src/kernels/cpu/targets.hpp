// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

// One binary holds the kernels for several instruction sets; the best that the processor has is used. Results do not
// depend on it.
namespace tessera::kernels::cpu {

/// Name of the instruction set in use, as Highway calls it: "AVX2", "AVX3" (AVX-512), "NEON", "SCALAR".
std::string target_name();

/// Bits of the instruction sets that are compiled in and that this processor has, best first.
std::vector<std::int64_t> available_targets();
std::string target_name(std::int64_t target);

/// Whether the processor, in the instruction set in use, multiplies pairs in bfloat16 (AVX512_BF16):
/// cpu_bfloat16_backend().
bool has_bfloat16_products();

/// Uses one instruction set only, or with 0 the best again. For tests and benchmarks: not while kernels run.
void use_target(std::int64_t target);

}  // namespace tessera::kernels::cpu
