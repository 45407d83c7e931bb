// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/graph_writer.hpp"

#include "core/error.hpp"
#include "core/text.hpp"

namespace tessera::graph {

GraphWriter::GraphWriter(const std::filesystem::path& folder, std::size_t threads, bool has_weights)
    : threads_(threads),
      folder_(folder),
      file_(folder_.temporary() / kGraphFile, kGraphKind, has_weights ? kGraphVersion : kUnweightedGraphVersion) {}

void GraphWriter::names(const storage::PackedStrings& entities, const storage::PackedStrings& relations) {
  if (entities.count > kMostEntities)
    fail(ExitStatus::kUsage, "{} entities are more than {}, the most that a graph has",
         text::with_thousands(entities.count), text::with_thousands(kMostEntities));
  entities.write(file_, "/entities/names", "entity names, ascending: the rank of a name is the entity id");
  relations.write(file_, "/relations/names", "relation names, ascending: the rank of a name is the relation id");
  file_.attribute("/", "entities", entities.count);
  file_.attribute("/", "relations", relations.count);
}

void GraphWriter::begin_split(Split split, std::uint64_t count) {
  finish_split();
  split_.emplace(file_, fmt::format("/splits/{}", name(split)), threads_);
  announced_ = count;
}

void GraphWriter::append(std::span<const Triple> triples, std::span<const float> weights) {
  split_->append(triples, weights);
}

void GraphWriter::finish_split() {
  if (!split_) return;
  TESSERA_ASSERT(split_->size() == announced_, "a split has as many triples as were announced");
  split_->finish();
  split_.reset();
}

void GraphWriter::source(const SourceFile& source) {
  const std::string group = fmt::format("/sources/{:06}", source_count_++);
  file_.attribute(group, "path", text::escaped(source.path));
  file_.attribute(group, "bytes", source.bytes);
  file_.attribute(group, "lines", source.lines);
  file_.attribute(group, "xxh3_128", source.xxh3_128);
}

void GraphWriter::count(const std::string& name, std::uint64_t value) { file_.attribute("/counts", name, value); }

void GraphWriter::commit() {
  finish_split();
  file_.attribute("/", "attribute_columns", attribute_count_);
  file_.attribute("/", "sources", source_count_);
  file_.close();
  auto checksums = storage::FolderChecksums::load(folder_.temporary());
  checksums.record(kGraphFile);
  checksums.commit();
  storage::sync_path(folder_.temporary() / kGraphFile);
  folder_.commit();
}

}  // namespace tessera::graph
