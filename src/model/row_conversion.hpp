// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"

#include <cstddef>
#include <string>

namespace tessera::model {

/// run.rows: "fp32", "bf16". Throws Error(kBadData) for a name that is not known.
kernels::RowFormat find_row_format(const std::string& name);
const char* name(kernels::RowFormat format);

/// Bytes of a row.
std::size_t row_bytes(kernels::RowFormat format, std::size_t dim);

/// out = rows in fp32; same shapes.
void decode(kernels::ConstStoredRows rows, kernels::Matrix out);

/// Writes rows of fp32 as `out` stores them, each element rounded to the nearest; same shapes.
void encode(kernels::ConstMatrix rows, kernels::StoredRows out);

}  // namespace tessera::model
