// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

namespace tessera::partition {

/// A data set in the files of another program: ids in place of names.
struct KnownFolder {
  const char* program;
  std::string train;
  std::string valid;  ///< empty: none
  std::string test;
  std::string entity_names;
  std::string relation_names;
  const char* columns;  ///< "hrt" or "htr"
  bool ids_first;       ///< in the lists of names
};

/// What `folder` holds: OpenKE (train2id.txt), LibKGE (train.del), PyKEEN (numeric_triples.tsv.gz, or the folders
/// training, validation, testing with such files).
std::optional<KnownFolder> find_known_folder(const std::string& folder);

}  // namespace tessera::partition
