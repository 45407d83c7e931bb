// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "graph/split.hpp"
#include "partition/import/options.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::partition {

/// One file to read and what for.
struct InputFile {
  std::string path;
  graph::Split split = graph::Split::kTrain;
  bool attributes = false;  ///< 3-column text of entity, attribute, value
  bool wordnet = false;
  std::uint64_t bytes = 0;  ///< raw size, 0 when unknown
};

/// The files in the order in which they are read: train first. Folders become the WordNet files in them. Throws
/// Error(kUsage) for options that contradict each other and Error(kMissingInput) for a file that is not there, before
/// any is read.
std::vector<InputFile> list_inputs(const ImportOptions& options);

}  // namespace tessera::partition
