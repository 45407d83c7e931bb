// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/import/collector.hpp"

#include <cstdint>

namespace tessera::partition {

/// How the entities of tables and those of triples meet.
struct TableTally {
  std::uint64_t in_tables = 0;
  std::uint64_t isolated = 0;     ///< in a table, in no triple
  std::uint64_t without_row = 0;  ///< in a triple, in no table
  void add(bool in_triple, bool in_table) {
    in_tables += in_table ? 1 : 0;
    isolated += in_table && !in_triple ? 1 : 0;
    without_row += in_triple && !in_table ? 1 : 0;
  }
};

/// Of names that are all in memory.
TableTally tally_tables(const Collected& collected);

/// Fills the counts, and says what does not meet.
void report_tables(Collected& collected, const TableTally& tally, bool keep_isolated);

}  // namespace tessera::partition
