// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"

#include <string>

namespace tessera::model {

/// "fp32", "bf16", "fp16", "int8": run.rows; "int8_groups", "int4_groups": exported models. Throws Error(kBadData) for
/// another name.
kernels::RowFormat find_row_format(const std::string& name);
const char* name(kernels::RowFormat format);

/// "fp32", "log8": optimiser.state. Throws Error(kBadData) for another name.
kernels::StateFormat find_state_format(const std::string& name);
const char* name(kernels::StateFormat format);

/// Rows of host memory, from the form in which they are stored to fp32 and back: Rows::decode, Rows::encode.
inline void decode(kernels::ConstStoredRows rows, kernels::Matrix out) {
  kernels::cpu_backend().rows.decode(rows, out);
}
inline void encode(kernels::ConstMatrix rows, kernels::StoredRows out) {
  kernels::cpu_backend().rows.encode(rows, out);
}

}  // namespace tessera::model
