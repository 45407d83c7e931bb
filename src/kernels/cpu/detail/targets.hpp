// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Chooses the instruction sets that the kernels are compiled for; include it before any Highway header. Scores are
// defined as chains of fused multiply-adds, so of the x86 targets only those with FMA stay (bits 0 ..
// HWY_HIGHEST_TARGET_BIT_X86 are x86; newer AVX-512 variants would give the same code again). Targets with vectors of
// unknown size (SVE, RVV) cannot hold an array of registers. Besides AVX2 and AVX-512, NEON remains, and the fallback
// of one lane, where fused() is std::fma: it is slow and gives the same bits.
#ifdef HWY_DISABLED_TARGETS
#error "Tessera chooses the Highway targets itself"
#endif
#ifdef HWY_DISABLE_BMI2_FMA
#error "Tessera's kernels need FMA on AVX2"
#endif
#define HWY_DISABLED_TARGETS                                                                                 \
  ((((2LL << HWY_HIGHEST_TARGET_BIT_X86) - 1) & ~(HWY_AVX2 | HWY_AVX3)) | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | \
   HWY_SVE2_128 | HWY_RVV)
