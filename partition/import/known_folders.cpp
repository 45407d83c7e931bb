// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/known_folders.hpp"

#include <filesystem>

namespace tessera::partition {
namespace {

// The file, perhaps packed; empty when there is none.
std::string find_file(const std::filesystem::path& folder, const std::string& name) {
  for (const char* packed : {"", ".gz", ".zst"}) {
    const std::filesystem::path file = folder / (name + packed);
    if (std::filesystem::is_regular_file(file)) return file.string();
  }
  return {};
}

KnownFolder open_ke(const std::filesystem::path& folder) {
  return {"OpenKE",
          find_file(folder, "train2id.txt"),
          find_file(folder, "valid2id.txt"),
          find_file(folder, "test2id.txt"),
          find_file(folder, "entity2id.txt"),
          find_file(folder, "relation2id.txt"),
          "htr",
          false};
}

KnownFolder lib_kge(const std::filesystem::path& folder) {
  return {"LibKGE",
          find_file(folder, "train.del"),
          find_file(folder, "valid.del"),
          find_file(folder, "test.del"),
          find_file(folder, "entity_ids.del"),
          find_file(folder, "relation_ids.del"),
          "hrt",
          true};
}

KnownFolder pykeen(const std::filesystem::path& folder) {
  constexpr const char* kTriples = "numeric_triples.tsv";
  const bool split = std::filesystem::is_directory(folder / "training");
  const std::filesystem::path training = split ? folder / "training" : folder;
  return {"PyKEEN",
          find_file(training, kTriples),
          split ? find_file(folder / "validation", kTriples) : "",
          split ? find_file(folder / "testing", kTriples) : "",
          find_file(training, "entity_to_id.tsv"),
          find_file(training, "relation_to_id.tsv"),
          "hrt",
          true};
}

}  // namespace

std::optional<KnownFolder> find_known_folder(const std::string& folder) {
  for (const auto find : {&open_ke, &lib_kge, &pykeen}) {
    KnownFolder found = find(folder);
    if (!found.train.empty() && !found.entity_names.empty() && !found.relation_names.empty()) return found;
  }
  return std::nullopt;
}

}  // namespace tessera::partition
