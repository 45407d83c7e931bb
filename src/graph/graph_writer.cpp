// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/graph_writer.hpp"

#include "core/error.hpp"
#include "core/text.hpp"

#include <vector>

namespace tessera::graph {

using storage::DatasetWriter;
using storage::ElementType;

GraphWriter::GraphWriter(const std::filesystem::path& folder)
    : folder_(folder), file_(folder_.temporary() / kGraphFile, kGraphKind, kGraphVersion) {}

void GraphWriter::names(const storage::StringBlocks& entities, const storage::StringBlocks& relations) {
  entities.write(file_, "/entities/names", "entity names, ascending: the rank of a name is the entity id");
  relations.write(file_, "/relations/names", "relation names, ascending: the rank of a name is the relation id");
  file_.attribute("/", "entities", entities.size());
  file_.attribute("/", "relations", relations.size());
}

void GraphWriter::begin_split(Split split, std::uint64_t count) {
  finish_split();
  const std::string group = fmt::format("/splits/{}", name(split));
  const auto column = [&](const char* what, ElementType type, const char* meaning) {
    return std::make_unique<DatasetWriter>(file_.dataset(group + "/" + what, type, {count}, {meaning, "1"}));
  };
  heads_ = column("head", ElementType::kU64, "entity id of the head");
  relations_ = column("relation", ElementType::kU32, "relation id");
  tails_ = column("tail", ElementType::kU64, "entity id of the tail");
  file_.attribute(group, "triples", count);
}

void GraphWriter::append(std::span<const Triple> triples) {
  std::vector<std::uint64_t> heads;
  std::vector<std::uint32_t> relations;
  std::vector<std::uint64_t> tails;
  for (const Triple& triple : triples) {
    heads.push_back(triple.head.value());
    relations.push_back(triple.relation.value());
    tails.push_back(triple.tail.value());
  }
  heads_->append<std::uint64_t>(heads);
  relations_->append<std::uint32_t>(relations);
  tails_->append<std::uint64_t>(tails);
}

void GraphWriter::finish_split() {
  if (!heads_) return;
  for (auto* writer : {&heads_, &relations_, &tails_}) {
    (*writer)->finish();
    writer->reset();
  }
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
