// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/import/collector.hpp"
#include "partition/import/names.hpp"
#include "partition/import/table_report.hpp"

#include <string>

namespace tessera::partition {

/// Reports what valid and test have and train does not; `first` names the first of it. Throws Error(kBadData) unless
/// `allowed`.
void report_unseen(const ImportCounts& counts, const std::string& first, bool allowed);

/// Where the names of `collected` were sorted on disk, the parts of a name are known only now.
struct SortedEntities {
  SortedNames names;
  RankTable ranks;
  std::vector<bool> unseen;  ///< by rank: not in train, but in valid or test
  TableTally tables;
};

/// Merges the runs of entity names.
SortedEntities merge_entities(Collected& collected, bool keep_isolated, const SortSettings& settings);

/// Counts the triples of valid and test with unseen names, and reports them.
void count_unseen(Collected& collected, SortedEntities& entities, bool allowed);

}  // namespace tessera::partition
