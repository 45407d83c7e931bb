// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/inspect.hpp"

#include "attributes/table.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/model_file.hpp"
#include "cli/inspect_attributes.hpp"
#include "cli/inspect_run.hpp"
#include "core/error.hpp"
#include "core/job.hpp"
#include "core/text.hpp"
#include "graph/graph_reader.hpp"
#include "graph/partition_manifest.hpp"
#include "propagation/weights.hpp"
#include "storage/hdf5.hpp"
#include "train/loop/placement.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <vector>

namespace tessera::cli {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

Json describe_graph(const fs::path& folder) {
  const graph::GraphReader reader(folder);
  Json out = {{"what", "graph"}, {"sound", verify_folder(folder)}};
  out["entities"] = reader.entity_count();
  out["relations"] = reader.relation_count();
  for (const graph::Split split : graph::kSplits) out["triples"][graph::name(split)] = reader.triple_count(split);
  if (const auto& weights = reader.weight_range())
    out["weights"] =
        fmt::format("{} to {}, mean {:.6g} (of training triples)", weights->least, weights->most, weights->mean);
  const storage::FileReader& file = reader.file();
  for (std::uint64_t i = 0; i < file.integer("/", "sources"); ++i) {
    const std::string group = fmt::format("/sources/{:06}", i);
    out["sources"].push_back(fmt::format("{} ({} lines, {})", file.string(group, "path"),
                                         text::with_thousands(file.integer(group, "lines")),
                                         text::bytes(file.integer(group, "bytes"))));
  }
  if (attributes::Table::is_in(file)) out["attributes"] = describe_attributes(file, reader.entity_count());
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_directory() && entry.path().filename().string().starts_with("parts-"))
      out["partitions"].push_back(entry.path().filename().string());
  return out;
}

Json describe_partition(const fs::path& folder) {
  const graph::PartitionManifest manifest = graph::read_manifest(folder, true);
  Json out = {{"what", "partition"},
              {"sound", verify_folder(folder)},
              {"method", manifest.method},
              {"parts", manifest.part_count()}};
  out["entities"] = manifest.entity_count;
  out["relations"] = manifest.relation_count;
  const auto summary = [](std::span<const graph::PartFigures> figures) {
    return fmt::format("{:.1f} % of training queries cut, rows within {:.3f}, queries within {:.3f} of their mean",
                       100 * graph::cut_fraction(figures), graph::row_balance(figures), graph::query_balance(figures));
  };
  out["quality"] = summary(manifest.figures);
  if (!manifest.random_figures.empty()) out["random partition"] = summary(manifest.random_figures);
  for (std::size_t p = 0; p < manifest.figures.size(); ++p) {
    const graph::PartFigures& part = manifest.figures[p];
    out["by part"].push_back(fmt::format("part {}: {} rows, {} queries, {} cut, {} halo rows", p, part.rows,
                                         part.queries, part.cut_queries, part.halo_rows));
  }
  return out;
}

void describe_objects(const storage::FileReader& file, const std::string& group, Json& out) {
  for (const std::string& child : file.children(group)) {
    const std::string path = (group == "/" ? "" : group) + "/" + child;
    if (!file.is_dataset(path)) {
      describe_objects(file, path, out);
      continue;
    }
    const storage::ElementType type = file.check(path);
    out[path] =
        fmt::format("{} [{}] {}: {}", storage::name(type), fmt::join(file.shape(path), ", "),
                    file.find_string(path, "units").value_or("?"), file.find_string(path, "long_name").value_or("?"));
  }
}

Json describe_file(const fs::path& path) {
  const auto file = storage::FileReader::open_unverified(path);
  if (!file.find_string("/", "kind"))
    fail(ExitStatus::kBadData, "'{}' is an HDF5 file, but not one of Tessera: it has no attribute 'kind'",
         path.string());
  Json out = {{"what", file.string("/", "kind")}};
  for (const char* name : {"tessera_version", "git_commit", "command_line", "host", "date_created"})
    out[name] = file.find_string("/", name).value_or("?");
  out["format_version"] = file.integer("/", "format_version");
  add_results(file, out);
  out["datasets"] = Json::object();
  describe_objects(file, "/", out["datasets"]);
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const auto checksums = storage::FolderChecksums::load(folder);
  const std::string name = path.filename().string();
  if (checksums.lists(name)) checksums.verify(name);
  out["sound"] = checksums.lists(name) ? "yes: the file and every dataset match their checksums"
                                       : "every dataset matches its checksum; no list of checksums names the file";
  return out;
}

std::string manifest_kind(const fs::path& folder) {
  storage::FolderChecksums::load(folder).verify(graph::kManifestFile);
  return storage::FileReader::open_unverified(folder / graph::kManifestFile).string("/", "kind");
}

Json describe_checksums(const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  Json out = {{"what", "checksums"}, {"sound", verify_folder(folder)}};
  out["files"] = Json::array();
  const auto checksums = storage::FolderChecksums::load(folder);
  for (const auto& [name, digest] : checksums.digests()) out["files"].push_back(name);
  return out;
}

// `path` has no trailing slash and is no symbolic link.
Json describe_folder(const fs::path& path) {
  if (fs::exists(path / graph::kGraphFile)) return describe_graph(path);
  if (checkpoint::is_exported(path)) return describe_exported(path);
  if (fs::exists(path / propagation::kUltraFile)) return describe_ultra(path);
  if (fs::exists(path / kJobFile)) return describe_run(path);
  if (fs::exists(path / graph::kManifestFile))
    return manifest_kind(path) == checkpoint::kCheckpointKind ? describe_checkpoint(path) : describe_partition(path);
  if (path.filename() == checkpoint::kCheckpointsFolder) return describe_checkpoints(path);
  fail(ExitStatus::kBadData,
       "'{}' is not a folder of Tessera: it has no graph.h5 (graph), manifest.h5 (partition, checkpoint), model.h5 "
       "(exported model) or job.toml (run)",
       path.string());
}

}  // namespace

Json verify_folder(const fs::path& folder) {
  const auto checksums = storage::FolderChecksums::load(folder);
  for (const auto& [name, digest] : checksums.digests()) checksums.verify(name);
  return fmt::format("{} files match their checksums", checksums.digests().size());
}

namespace {

Json describe(const fs::path& path) {
  if (!fs::exists(path)) fail(ExitStatus::kMissingInput, "'{}' does not exist", path.string());
  if (fs::is_directory(path)) return describe_folder(fs::canonical(path));
  if (path.filename() == storage::kChecksumsName) return describe_checksums(path);
  if (path.filename() == train::kStartsLog) return describe_starts_log(path);
  if (path.extension() == ".jsonl") return describe_metrics_log(path);
  if (path.extension() == ".toml") return describe_job(path);
  return describe_file(path);
}

std::string in_words(const Json& value, const std::string& indent) {
  std::string out;
  for (const auto& [key, item] : value.items()) {
    if (item.is_object()) {
      out += fmt::format("{}{}\n", indent, key) + in_words(item, indent + "  ");
    } else if (item.is_array()) {
      out += fmt::format("{}{}\n", indent, key);
      for (const auto& line : item) out += fmt::format("{}  {}\n", indent, line.get<std::string>());
    } else {
      out += fmt::format("{}{:<20} {}\n", indent, key, item.is_string() ? item.get<std::string>() : item.dump());
    }
  }
  return out;
}

}  // namespace

std::string inspect(const fs::path& path, bool as_json) {
  const Json description = describe(path);
  if (as_json) return description.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  return in_words(description, "");
}

}  // namespace tessera::cli
