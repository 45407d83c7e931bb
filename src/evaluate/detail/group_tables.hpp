// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/breakdown.hpp"
#include "storage/hdf5.hpp"

namespace tessera::evaluate::detail {

/// Writes /by_relation, /by_class and /by_degree: one row per group and side that has queries, one dataset per column.
void write_group_tables(storage::FileWriter& file, const Groups& groups);

}  // namespace tessera::evaluate::detail
