// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/packed_triples.hpp"

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "packing/query_chunk.hpp"

#include <algorithm>
#include <memory>
#include <tuple>
#include <utility>

namespace tessera::graph {
namespace {

auto key(const Triple& triple) { return std::tie(triple.relation, triple.head, triple.tail); }

std::string segment_name(std::uint64_t segment) { return fmt::format("{:06}", segment); }

struct Segment {
  std::vector<std::uint32_t> relations;
  std::vector<std::uint32_t> first_heads;
  std::vector<std::uint32_t> offsets;
  std::vector<std::uint8_t> bytes;  // and the padding

  [[nodiscard]] bool is_sound() const {
    return !offsets.empty() && offsets.front() == 0 && std::is_sorted(offsets.begin(), offsets.end()) &&
           offsets.back() + packing::kPadding == bytes.size();
  }
  [[nodiscard]] std::span<const std::uint8_t> chunk(std::size_t c) const {
    return std::span(bytes).subspan(offsets[c], offsets[c + 1] - offsets[c]);
  }
};

/// Rows [first, end) of a column.
template <class T>
std::vector<T> read_rows(const storage::FileReader& file, const std::string& path, std::uint64_t first,
                         std::uint64_t end) {
  std::vector<T> rows(end - first);
  if (end > first) file.read_rows<T>(path, first, end - first, rows);
  return rows;
}

/// The chunks [first, end) of a segment; their offsets begin at 0.
Segment read_segment(const storage::FileReader& file, const std::string& group, std::uint64_t first,
                     std::uint64_t end) {
  Segment segment;
  segment.relations = read_rows<std::uint32_t>(file, group + "/relation", first, end);
  segment.first_heads = read_rows<std::uint32_t>(file, group + "/first_head", first, end);
  segment.offsets = read_rows<std::uint32_t>(file, group + "/offset", first, end + 1);
  const std::uint64_t begin = segment.offsets.front();
  const std::uint64_t size = segment.offsets.back() - begin;
  if (begin > segment.offsets.back() || segment.offsets.back() > file.length(group + "/chunks")) return {};
  for (std::uint32_t& offset : segment.offsets) offset -= static_cast<std::uint32_t>(begin);
  segment.bytes = read_rows<std::uint8_t>(file, group + "/chunks", begin, begin + size);
  segment.bytes.resize(size + packing::kPadding);
  return segment;
}

[[noreturn]] void refuse_segment(const storage::FileReader& file, const std::string& group) {
  fail(ExitStatus::kBadData, "'{}', {}: packed triples are damaged, out of range or out of order", file.path().string(),
       group);
}

/// The relation of every chunk of a segment, whose columns must fit each other.
std::vector<std::uint32_t> read_relations(const storage::FileReader& file, const std::string& group) {
  auto relations = file.read<std::uint32_t>(group + "/relation");
  const std::uint64_t chunks = relations.size();
  if (file.length(group + "/first_head") != chunks || file.length(group + "/offset") != chunks + 1)
    refuse_segment(file, group);
  const auto end = read_rows<std::uint32_t>(file, group + "/offset", chunks, chunks + 1);
  if (file.length(group + "/chunks") != end.front() || !std::is_sorted(relations.begin(), relations.end()))
    refuse_segment(file, group);
  return relations;
}

/// Unpacks one chunk after the other and checks their order.
class TripleScan {
 public:
  TripleScan(const storage::FileReader& file, const TripleBounds& bounds,
             const std::function<void(std::span<const Triple>)>& consume)
      : file_(file), bounds_(bounds), consume_(consume) {}

  /// Chunks [first, end) of a segment.
  void scan(const std::string& group, std::uint64_t first, std::uint64_t end) {
    const Segment segment = read_segment(file_, group, first, end);
    if (!segment.is_sound()) refuse(group);
    for (std::size_t c = 0; c < segment.relations.size(); ++c) {
      if (segment.relations[c] >= bounds_.relations ||
          !reader_->read(segment.chunk(c), segment.first_heads[c], {bounds_.entities, bounds_.entities}))
        refuse(group);
      unpack(RelationId(segment.relations[c]), group);
      consume_(triples_);
    }
  }

 private:
  void unpack(RelationId relation, const std::string& group) {
    const bool is_first = triples_.empty();
    const Triple last = is_first ? Triple() : triples_.back();
    triples_.clear();
    for (std::size_t i = 0; i < reader_->sources().size(); ++i)
      triples_.push_back({EntityId(reader_->sources()[i]), relation, EntityId(reader_->targets()[i])});
    if (!is_first && key(last) >= key(triples_.front())) refuse(group);
  }
  [[noreturn]] void refuse(const std::string& group) const { refuse_segment(file_, group); }

  const storage::FileReader& file_;
  TripleBounds bounds_;
  const std::function<void(std::span<const Triple>)>& consume_;
  std::unique_ptr<packing::ChunkReader> reader_ = std::make_unique<packing::ChunkReader>();
  std::vector<Triple> triples_;
};

}  // namespace

void PackedTriplesWriter::append(std::span<const Triple> triples, std::span<const float> weights) {
  TESSERA_ASSERT(weights.empty() || weights.size() == triples.size(), "each triple has a weight, or none has one");
  for (std::size_t i = 0; i < triples.size(); ++i) {
    const Triple& triple = triples[i];
    TESSERA_ASSERT(size_ == 0 || key(last_) < key(triple), "triples ascend by (relation, head, tail)");
    const bool goes_on = !chunk_starts_.empty() && triple.relation == last_.relation &&
                         heads_.size() - chunk_starts_.back() < packing::kChunkQueries;
    if (!goes_on && heads_.size() >= kSegmentTriples) end_segment();
    last_ = triple;
    if (!goes_on) begin_chunk();
    ++size_;
    heads_.push_back(static_cast<std::uint32_t>(triple.head.value()));
    tails_.push_back(static_cast<std::uint32_t>(triple.tail.value()));
    if (!weights.empty()) add_weight(weights[i]);
  }
}

void PackedTriplesWriter::add_weight(float weight) {
  const auto value = static_cast<double>(weight);
  weights_.push_back(weight);
  weight_range_.least = size_ == 1 ? value : std::min(weight_range_.least, value);
  weight_range_.most = std::max(weight_range_.most, value);
  weight_sum_ += value;
}

void PackedTriplesWriter::begin_chunk() {
  chunk_starts_.push_back(heads_.size());
  relations_.push_back(last_.relation.value());
  first_heads_.push_back(static_cast<std::uint32_t>(last_.head.value()));
}

void PackedTriplesWriter::pack_chunks() {
  constexpr std::size_t kTogether = 64;
  const std::size_t chunks = chunk_starts_.size();
  chunk_starts_.push_back(heads_.size());
  std::vector<std::vector<std::uint8_t>> packed((chunks + kTogether - 1) / kTogether);
  std::vector<std::uint32_t> sizes(chunks);
  parallel_for(packed.size(), threads_, [&](std::size_t some) {
    for (std::size_t c = some * kTogether; c < std::min(chunks, (some + 1) * kTogether); ++c) {
      const std::size_t before = packed[some].size();
      const std::size_t count = chunk_starts_[c + 1] - chunk_starts_[c];
      packing::encode_chunk(std::span(heads_).subspan(chunk_starts_[c], count),
                            std::span(tails_).subspan(chunk_starts_[c], count), packed[some]);
      sizes[c] = static_cast<std::uint32_t>(packed[some].size() - before);
    }
  });
  for (const std::vector<std::uint8_t>& some : packed) bytes_.insert(bytes_.end(), some.begin(), some.end());
  for (const std::uint32_t size : sizes) offsets_.push_back(offsets_.back() + size);
}

void PackedTriplesWriter::end_segment() {
  pack_chunks();
  const std::string group = group_ + "/" + segment_name(segments_++);
  file_.write<std::uint32_t>(group + "/relation", relations_, {"relation id of each chunk"});
  file_.write<std::uint32_t>(group + "/first_head", first_heads_, {"entity id of the first head of each chunk"});
  file_.write<std::uint32_t>(group + "/offset", offsets_, {"where the chunk begins in chunks; then the end", "byte"});
  file_.write<std::uint8_t>(group + "/chunks", bytes_, {"packed triples", "byte"});
  heads_.clear();
  tails_.clear();
  if (!weights_.empty()) write_weights(file_, group, std::exchange(weights_, {}));
  chunk_starts_.clear();
  relations_.clear();
  first_heads_.clear();
  offsets_.assign(1, 0);
  bytes_.clear();
}

void PackedTriplesWriter::finish() {
  if (!heads_.empty()) end_segment();
  file_.attribute(group_, "triples", size_);
  file_.attribute(group_, "segments", segments_);
  if (weight_sum_ == 0) return;
  file_.attribute(group_, "weight_least", weight_range_.least);
  file_.attribute(group_, "weight_mean",
                  std::clamp(weight_sum_ / static_cast<double>(size_), weight_range_.least, weight_range_.most));
  file_.attribute(group_, "weight_most", weight_range_.most);
}

PackedTriples::PackedTriples(const storage::FileReader& file, std::string group, const TripleBounds& bounds)
    : group_(std::move(group)), bounds_(bounds), size_(file.integer(group_, "triples")) {
  const std::uint64_t segments = file.integer(group_, "segments");
  std::uint64_t most = 0;
  for (std::uint64_t s = 0; s < segments; ++s) {
    relations_.push_back(read_relations(file, segment(s)));
    most += relations_.back().size() * packing::kChunkQueries;
  }
  if (size_ > most) refuse_segment(file, group_);
}

std::string PackedTriples::segment(std::size_t number) const { return group_ + "/" + segment_name(number); }

void PackedTriples::for_each_chunk(const storage::FileReader& file, const Consume& consume) const {
  TripleScan scan(file, bounds_, consume);
  for (std::size_t s = 0; s < relations_.size(); ++s) scan.scan(segment(s), 0, relations_[s].size());
}

void PackedTriples::for_each_chunk_of(RelationId relation, const storage::FileReader& file,
                                      const Consume& consume) const {
  TripleScan scan(file, bounds_, consume);
  for (std::size_t s = 0; s < relations_.size(); ++s) {
    const auto& relations = relations_[s];
    const auto [first, end] = std::equal_range(relations.begin(), relations.end(), relation.value());
    if (first != end)
      scan.scan(segment(s), static_cast<std::uint64_t>(first - relations.begin()),
                static_cast<std::uint64_t>(end - relations.begin()));
  }
}

}  // namespace tessera::graph
