// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/import.hpp"

#include "core/error.hpp"
#include "core/log.hpp"
#include "core/parallel.hpp"
#include "core/text.hpp"
#include "graph/graph_writer.hpp"
#include "partition/import/input_files.hpp"
#include "partition/import/random_split.hpp"
#include "partition/import/reading.hpp"
#include "partition/import/unseen.hpp"

#include <utility>

namespace tessera::partition {
namespace {

SplitTriples empty_split(const SortSettings& settings, KeyLayout layout) {
  return SplitTriples(KeyFile(settings.folder, layout));
}

std::vector<SplitTriples> split_at_random(SplitTriples all, const ImportOptions& options, const ImportResult& result,
                                          const SortSettings& settings) {
  const std::uint64_t triples = all.size();
  ThreeSplits three = split_at_random(
      std::move(all),
      {options.valid_fraction, options.test_fraction, options.seed, result.entities.size(), result.relations.size()},
      settings);
  const auto held_out = static_cast<double>(three[1].size() + three[2].size());
  const double wanted = (options.valid_fraction + options.test_fraction) * static_cast<double>(triples);
  if (held_out < wanted - 1)
    log::warning(
        "only {} of the {:.0f} triples wanted for valid and test were taken: each other one is the last of its entity "
        "or relation in train",
        text::with_thousands(three[1].size() + three[2].size()), wanted);
  std::vector<SplitTriples> splits;
  for (SplitTriples& split : three) splits.push_back(std::move(split));
  return splits;
}

void sort_splits(Collected& collected, const IdMaps& maps, const SortSettings& settings, ImportResult& result) {
  for (KeyFile& spilled : collected.splits) {
    const bool is_weighted = collected.weights && result.splits.empty();
    std::uint64_t& duplicates = result.counts.duplicates;
    if (is_weighted) {
      result.splits.push_back(sort_weighted_triples(spilled, *collected.weights, maps, settings, duplicates));
      result.counts.weights_added = duplicates;
      collected.weights.reset();
    } else {
      result.splits.push_back(spilled.size() == 0 ? empty_split(settings, maps.layout)
                                                  : sort_triples(spilled, maps, settings, duplicates));
    }
    spilled = KeyFile(settings.folder, maps.layout);  // gives the disk space back
  }
}

void count_repeats(ImportResult& result) {
  std::uint64_t& count = result.counts.in_several_splits;
  const auto common = [&](graph::Split a, graph::Split b) { return count_common(result.split(a), result.split(b)); };
  count += common(graph::Split::kTrain, graph::Split::kValid);
  count += common(graph::Split::kTrain, graph::Split::kTest);
  count += common(graph::Split::kValid, graph::Split::kTest);
  if (count > 0)
    log::warning("{} triples of valid or test are in an earlier split too; they are kept", text::with_thousands(count));
}

// Names become ids; a dictionary is freed as soon as its names are sorted.
struct Ranks {
  RankTable entities;
  std::vector<std::uint64_t> relations;
  std::vector<std::uint64_t> attributes;
  std::vector<std::uint64_t> datatypes;
};

SortedNames sort_entities(Collected& collected, const ImportOptions& options, const SortSettings& settings,
                          RankTable& ranks) {
  if (!collected.entity_runs.empty()) {
    SortedEntities sorted = merge_entities(collected, options.keep_isolated, settings);
    count_unseen(collected, sorted, options.allow_unseen);
    report_tables(collected, sorted.tables, options.keep_isolated);
    ranks = std::move(sorted.ranks);
    return std::move(sorted.names);
  }
  report_tables(collected, tally_tables(collected), options.keep_isolated);
  std::vector<std::uint64_t> in_memory;
  SortedNames sorted =
      sort_names(collected.entities, options.keep_isolated ? nullptr : &collected.in_triple, in_memory);
  collected.entities = Dictionary();
  ranks = RankTable(std::move(in_memory));
  return sorted;
}

Ranks sort_all_names(Collected& collected, const ImportOptions& options, const SortSettings& settings,
                     ImportResult& result) {
  Ranks ranks;
  const auto sort = [](Dictionary& dictionary, std::vector<std::uint64_t>& ranks_of) {
    SortedNames sorted = sort_names(dictionary, nullptr, ranks_of);
    dictionary = Dictionary();
    return sorted;
  };
  result.entities = sort_entities(collected, options, settings, ranks.entities);
  result.counts = collected.counts;
  result.relations = sort(collected.relations, ranks.relations);
  result.attributes = sort(collected.attributes, ranks.attributes);
  result.datatypes = sort(collected.datatypes, ranks.datatypes);
  if (result.relations.size() > graph::kMostRelations)
    fail(ExitStatus::kBadData, "{} relations, more than the limit of {}; are the columns in the right order?",
         text::with_thousands(result.relations.size()), text::with_thousands(graph::kMostRelations));
  return ranks;
}

// What a wrong column looks like.
void warn_of_columns(const ImportResult& result) {
  constexpr std::uint64_t kEnough = 100;  // triples that say something
  constexpr std::uint64_t kFew = 10;
  const std::uint64_t triples = result.counts.triples_read;
  if (triples < kEnough) return;
  if (result.entities.size() < kFew)
    log::warning("{} triples have {} entities only; are --head and --tail the right columns?",
                 text::with_thousands(triples), result.entities.size());
  if (result.relations.size() > triples / 2)
    log::warning("{} triples have {} relations; is --relation the right column?", text::with_thousands(triples),
                 text::with_thousands(result.relations.size()));
}

void log_summary(const ImportResult& result) {
  warn_of_columns(result);
  if (result.counts.attributes_dropped > 0)
    log::warning("{} attribute values of entities without a triple were left out; --keep-isolated keeps them",
                 text::with_thousands(result.counts.attributes_dropped));
  log::info("{} entities, {} relations; {} train, {} valid, {} test triples; {} attribute values; {} duplicates {}",
            text::with_thousands(result.entities.size()), text::with_thousands(result.relations.size()),
            text::with_thousands(result.splits[0].size()), text::with_thousands(result.splits[1].size()),
            text::with_thousands(result.splits[2].size()), text::with_thousands(result.attribute_rows.size()),
            text::with_thousands(result.counts.duplicates),
            result.counts.weights_added > 0 ? "dropped, their weights added up" : "dropped");
}

// Everything that needs ids only.
struct FactOptions {
  const ImportOptions& options;
  bool has_splits;
};
void sort_facts(Collected& collected, Ranks& ranks, const FactOptions& what, ImportResult& result) {
  const ImportOptions& options = what.options;
  const SortSettings settings{options.temporary_folder, options.sort_memory_bytes};
  const KeyLayout layout = KeyLayout::for_counts(result.entities.size(), result.relations.size());
  sort_splits(collected, {ranks.entities, ranks.relations, layout}, settings, result);
  AttributeCounts attribute_counts;
  result.attribute_rows = sort_attributes(collected.attribute_rows, {ranks.entities, ranks.attributes, ranks.datatypes},
                                          settings, attribute_counts);
  result.counts.attribute_duplicates = attribute_counts.duplicates;
  result.counts.attributes_dropped = attribute_counts.without_entity;
  ranks = {};
  if (!what.has_splits)
    result.splits = split_at_random(std::move(result.splits.front()), options, result, settings);
  else
    count_repeats(result);
}

}  // namespace

ImportResult import_triples(const ImportOptions& options) {
  const InputList list = list_inputs(options);
  ReadInputs read = read_inputs(options, list);
  const SortSettings settings{options.temporary_folder, options.sort_memory_bytes};
  ImportResult result{
      {}, {}, {}, {}, {}, {}, AttributeFile(settings.folder), std::move(read.sources), read.collected.counts};
  Ranks ranks = sort_all_names(read.collected, options, settings, result);
  parallel_for(2, options.threads, [&](std::size_t task) {
    if (task == 0)
      sort_facts(read.collected, ranks, {options, list.has_splits}, result);
    else
      result.packed_entities = storage::PackedStrings::encode(
          result.entities.size(), [&](std::uint64_t rank) { return result.entities[rank]; });
  });
  log_summary(result);
  return result;
}

}  // namespace tessera::partition
