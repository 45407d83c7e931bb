// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "storage/string_blocks.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::foreign {

/// Which row each name of a graph has in a table of another program.
struct NameTable {
  std::vector<std::uint64_t> row_of;  ///< by id in the graph
  std::uint64_t rows = 0;             ///< names of the file
  std::uint64_t left_out = 0;         ///< names that the graph does not have
  bool has_title = false;             ///< a first line names the columns, as in files of PyKEEN
  std::string form;                   ///< how the file was read: "a name per line", "an id and a name", ...
};

/// Reads a file of names: one per line in the order of the rows; or an id and a name, or a name and an id, with a tab
/// between, after a line of titles or a count, if there is one (PyKEEN, LibKGE, OpenKE). Plain, gzip or zstd. `what` is
/// "entity" or "relation". 8 bytes per name of the graph. Throws Error: kMissingInput; kBadData with file and line for
/// ids that are no numbers, occur twice, leave holes or are not below `rows`, for a name that occurs twice, and for a
/// name of the graph that the file lacks.
NameTable read_names(const std::string& file, const storage::StringBlocks& graph_names, const char* what,
                     std::uint64_t rows);

}  // namespace tessera::foreign
