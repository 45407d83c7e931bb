// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "graph/split.hpp"
#include "partition/import/options.hpp"
#include "partition/import/text_reader.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::partition {

/// One file to read and what for.
struct InputFile {
  std::string path;
  graph::Split split = graph::Split::kTrain;
  TextFormat::Content content = TextFormat::Content::kTriples;
  bool wordnet = false;
  const char* columns = nullptr;  ///< of a data set of another program, whose files hold ids
  std::uint64_t bytes = 0;        ///< raw size, 0 when unknown
};

/// What is read.
struct InputList {
  std::vector<InputFile> files;  ///< in the order in which they are read: train first
  std::string entity_names;      ///< files with the names of ids; empty: triples have names
  std::string relation_names;
  bool ids_first = true;    ///< in these files, where both columns look like ids
  bool has_splits = false;  ///< valid and test are given, not drawn
};

/// Folders become the files in them. Throws Error(kUsage) for options that contradict each other and
/// Error(kMissingInput) for a file that is not there, before any is read.
InputList list_inputs(const ImportOptions& options);

}  // namespace tessera::partition
