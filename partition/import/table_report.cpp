// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/table_report.hpp"

#include "core/log.hpp"
#include "core/text.hpp"

namespace tessera::partition {

using text::with_thousands;

TableTally tally_tables(const Collected& collected) {
  TableTally tally;
  for (std::size_t number = 0; number < collected.in_table.size(); ++number)
    tally.add(collected.in_triple[number], collected.in_table[number]);
  return tally;
}

void report_tables(Collected& collected, const TableTally& tally, bool keep_isolated) {
  ImportCounts& counts = collected.counts;
  if (counts.table_rows == 0) return;
  counts.table_repeats = counts.table_rows - tally.in_tables;
  counts.table_isolated = tally.isolated;
  if (tally.isolated == tally.in_tables)
    log::warning("no entity of the tables is in a triple; the first is {}: is --id the right column?",
                 collected.first_row);
  else if (tally.isolated > 0)
    log::warning("{} of {} entities of the tables are in no triple: {}", with_thousands(tally.isolated),
                 with_thousands(tally.in_tables),
                 keep_isolated ? "they are kept" : "they are left out; --keep-isolated keeps them");
  if (counts.table_repeats > 0)
    log::warning("{} lines of the tables are about an entity that has a line already; the attributes of all count",
                 with_thousands(counts.table_repeats));
  if (tally.without_row > 0)
    log::info("{} entities of triples have no line in the tables", with_thousands(tally.without_row));
}

}  // namespace tessera::partition
