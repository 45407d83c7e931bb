// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "graph/graph_writer.hpp"
#include "partition/import/attributes.hpp"
#include "partition/import/names.hpp"
#include "partition/import/triples.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace tessera::partition {

/// The counts that an import reports.
struct ImportCounts {
  std::uint64_t lines = 0;
  std::uint64_t bad_lines = 0;          ///< skipped
  std::uint64_t triples_read = 0;       ///< before duplicates were dropped
  std::uint64_t duplicates = 0;         ///< dropped: the same triple again in one split
  std::uint64_t weights_added = 0;      ///< of these: their weights were added to that of the triple that is kept
  std::uint64_t in_several_splits = 0;  ///< kept: triples of valid or test that an earlier split has too
  std::uint64_t unseen_entities = 0;    ///< entities of valid or test that train does not have
  std::uint64_t unseen_relations = 0;
  std::uint64_t unseen_triples = 0;  ///< lines of valid or test with one of them
  std::uint64_t attributes_read = 0;
  std::uint64_t attribute_duplicates = 0;
  std::uint64_t attributes_dropped = 0;       ///< attributes of entities without a triple
  std::uint64_t attributes = 0;               ///< values that the graph has
  std::uint64_t table_rows = 0;               ///< lines of tables of entities
  std::uint64_t table_repeats = 0;            ///< lines whose entity an earlier line has
  std::uint64_t table_isolated = 0;           ///< entities of tables that are in no triple
  std::uint64_t labels_dropped = 0;           ///< further labels of an entity that has one
  std::uint64_t dangling_pointers = 0;        ///< WordNet: into files that were not given
  std::optional<graph::WeightRange> weights;  ///< of the triples of train
};

/// A whole graph, ready to be written: entity and relation ids are ranks of names in byte order, so nothing depends on
/// the order of the input. Names are in memory, triples and attributes in unnamed temporary files.
struct ImportResult {
  SortedNames entities;
  SortedNames relations;
  SortedNames attributes;
  SortedNames datatypes;                   ///< "" (plain text), "@language" and datatype IRIs
  storage::PackedStrings packed_entities;  ///< the same names as files have them
  std::vector<SplitTriples> splits;        ///< train, valid, test
  AttributeFile attribute_rows;            ///< sorted by attribute, entity, value, datatype
  std::vector<graph::SourceFile> sources;
  ImportCounts counts;

  [[nodiscard]] const SplitTriples& split(graph::Split which) const {
    return splits.at(static_cast<std::size_t>(which));
  }
};

}  // namespace tessera::partition
