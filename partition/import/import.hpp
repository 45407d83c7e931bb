// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/import/options.hpp"
#include "partition/import/result.hpp"

#include <filesystem>

namespace tessera::partition {

/// Reads, checks, numbers, sorts and splits. Memory: the names, some bytes per entity and bounded buffers; it does not
/// grow with the number of triples. Errors: kUsage for options that contradict each other, kMissingInput, kBadData with
/// file and line, kIo.
ImportResult import_triples(const ImportOptions& options);

/// Imports into a new folder DATA.kg and returns the counts; the folder appears whole or not at all. Temporary data
/// goes beside it unless the options say otherwise.
ImportCounts import_graph(ImportOptions options, const std::filesystem::path& folder);

}  // namespace tessera::partition
