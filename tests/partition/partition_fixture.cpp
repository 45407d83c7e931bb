// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition_fixture.hpp"

#include "core/random.hpp"
#include "graph/graph_writer.hpp"

#include <algorithm>
#include <tuple>

namespace tessera::test {
namespace {

storage::PackedStrings names(std::uint64_t count, std::string (*make)(std::uint64_t)) {
  std::string name;
  return storage::PackedStrings::encode(count, [&](std::uint64_t i) { return std::string_view(name = make(i)); });
}

}  // namespace

GraphOnDisk::GraphOnDisk(TestGraph graph) : folder_(temporary_.path() / "data.kg"), graph_(std::move(graph)) {
  graph::GraphWriter writer(folder_);
  writer.names(names(graph_.entities, entity_name), names(graph_.relations, relation_name));
  for (const graph::Split split : graph::kSplits) {
    writer.begin_split(split, graph_.split(split).size());
    writer.append(graph_.split(split));
  }
  writer.commit();
}

partition::PartitionOptions GraphOnDisk::options(const std::string& method, std::uint64_t parts) const {
  partition::PartitionOptions options;
  options.graph = folder_;
  options.method = method;
  options.parts = parts;
  return options;
}

std::vector<std::string> GraphOnDisk::files() const {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) found.push_back(entry.path().filename());
  std::sort(found.begin(), found.end());
  return found;
}

TestGraph training_only(std::uint64_t entities, std::uint64_t relations, std::vector<Triple> triples) {
  std::sort(triples.begin(), triples.end(), [](const Triple& a, const Triple& b) {
    return std::tie(a.relation, a.head, a.tail) < std::tie(b.relation, b.head, b.tail);
  });
  triples.erase(std::unique(triples.begin(), triples.end()), triples.end());
  return {entities, relations, {std::move(triples), {}, {}}};
}

TestGraph planted_communities(std::uint64_t communities, std::uint64_t size, std::uint64_t triples,
                              std::uint64_t stray) {
  constexpr std::uint64_t kRelations = 5;
  const RandomStream random(7, Purpose::kSplit);
  const std::uint64_t entities = communities * size;
  const Permutation shuffle(entities, RandomStream(8, Purpose::kSplit));
  std::uint64_t next = 0;
  std::vector<Triple> drawn;
  for (std::uint64_t i = 0; i < triples; ++i) {
    const std::uint64_t head = random.below(next++, entities);
    const std::uint64_t near = head / size * size + random.below(next++, size);
    const std::uint64_t tail = random.below(next++, 100) < stray ? random.below(next++, entities) : near;
    const RelationId relation(static_cast<std::uint32_t>(random.below(next++, kRelations)));
    drawn.push_back({EntityId(shuffle(head)), relation, EntityId(shuffle(tail))});
  }
  return training_only(entities, kRelations, std::move(drawn));
}

LogCapture::LogCapture() {
  log::set_sink([this](log::Level level, std::string_view message) { text_[level].append(message).append("\n"); });
}

LogCapture::~LogCapture() { log::set_sink({}); }

std::string LogCapture::text(log::Level level) const {
  const auto found = text_.find(level);
  return found == text_.end() ? "" : found->second;
}

std::vector<std::uint32_t> parts_of(const graph::PartitionManifest& manifest) {
  std::vector<std::uint32_t> parts;
  for (const std::uint64_t id : manifest.new_ids) {
    std::uint32_t part = 0;
    while (manifest.offsets.at(part + 1) <= id) ++part;
    parts.push_back(part);
  }
  return parts;
}

double counted_cut(const TestGraph& graph, const std::vector<std::uint32_t>& part_of) {
  std::uint64_t cut = 0;
  for (const Triple& triple : graph.split(graph::Split::kTrain))
    if (part_of.at(triple.head.index()) != part_of.at(triple.tail.index())) ++cut;
  return static_cast<double>(cut) / static_cast<double>(graph.split(graph::Split::kTrain).size());
}

}  // namespace tessera::test
