// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/unseen.hpp"

#include "core/error.hpp"
#include "core/log.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <utility>

namespace tessera::partition {

void report_unseen(const ImportCounts& counts, const std::string& first, bool allowed) {
  if (counts.unseen_triples == 0) return;
  const std::string what = fmt::format(
      "{} lines of valid and test have {} entities and {} relations that train does not have; the first is {}",
      text::with_thousands(counts.unseen_triples), text::with_thousands(counts.unseen_entities),
      text::with_thousands(counts.unseen_relations), first);
  if (!allowed) fail(ExitStatus::kBadData, "{}. --allow-unseen keeps them (evaluation counts them apart)", what);
  log::warning("{}", what);
}

SortedEntities merge_entities(Collected& collected, bool keep_isolated, const SortSettings& settings) {
  using Numbers = std::span<const std::uint64_t>;
  const auto any = [](Numbers numbers, const std::vector<bool>& bits) {
    return std::any_of(numbers.begin(), numbers.end(), [&](std::uint64_t number) { return bits[number]; });
  };
  std::vector<bool> unseen;
  TableTally tables;
  NameRuns::Merged merged = collected.entity_runs.merge(settings, [&](Numbers numbers) {
    const bool in_triple = any(numbers, collected.in_triple);
    const bool keep = keep_isolated || in_triple;
    if (!collected.in_table.empty()) tables.add(in_triple, any(numbers, collected.in_table));
    if (keep) unseen.push_back(any(numbers, collected.seen_later) && !any(numbers, collected.in_train));
    return keep;
  });
  collected.counts.unseen_entities = static_cast<std::uint64_t>(std::count(unseen.begin(), unseen.end(), true));
  return {SortedNames(std::move(merged.names)), std::move(merged.ranks), std::move(unseen), tables};
}

void count_unseen(Collected& collected, SortedEntities& entities, bool allowed) {
  ImportCounts& counts = collected.counts;
  counts.unseen_triples = 0;
  if (counts.unseen_entities + counts.unseen_relations == 0) return;
  std::string first;
  const auto is_unseen = [&](std::uint64_t number, bool is_relation) {
    const std::uint64_t rank = is_relation ? 0 : entities.ranks[number];
    if (is_relation ? !collected.new_relation[number] : !entities.unseen[rank]) return false;
    if (first.empty())
      first = is_relation ? fmt::format("relation '{}'", collected.relations.name(number))
                          : fmt::format("entity '{}'", entities.names[rank]);
    return true;
  };
  for (std::size_t split = 1; split < collected.splits.size(); ++split) {
    const KeyLayout layout = collected.splits[split].layout();
    KeyFile::Reader reader(collected.splits[split]);
    for (std::span<const TripleKey> block = reader.next(); !block.empty(); block = reader.next()) {
      for (const TripleKey key : block) {
        const bool head = is_unseen(layout.head(key), false);
        const bool relation = is_unseen(layout.relation(key), true);
        const bool tail = is_unseen(layout.tail(key), false);
        counts.unseen_triples += head || relation || tail ? 1 : 0;
      }
    }
  }
  report_unseen(counts, first, allowed);
}

}  // namespace tessera::partition
