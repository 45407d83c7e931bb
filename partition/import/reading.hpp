// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "graph/graph_writer.hpp"
#include "partition/import/collector.hpp"
#include "partition/import/input_files.hpp"
#include "partition/import/line_reader.hpp"
#include "partition/import/options.hpp"
#include "partition/import/text_reader.hpp"
#include "partition/import/wordnet_reader.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::partition {

/// The result of the first stage: records in order of appearance, and their origins.
struct ReadInputs {
  Collected collected;
  std::vector<graph::SourceFile> sources;
};

/// Reads every file once (WordNet data files twice) with the reader for its format. Throws Error(kBadData) when there
/// is no triple for train.
ReadInputs read_inputs(const ImportOptions& options, const InputList& list);

}  // namespace tessera::partition
