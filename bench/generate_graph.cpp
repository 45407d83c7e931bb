// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Writes a generated knowledge graph as text, the same for the same arguments: entities and relations drawn by Zipf
// laws, names of about 20 bytes, one "head TAB relation TAB tail" a line (or N-Triples). With communities, entity i
// belongs to community i modulo N, and four of five triples stay in the community of their head.
//   generate_graph --triples 10000000 --entities 1000000 --relations 1000 --communities 0 --seed 1 [--ntriples] >
//   graph.tsv
#include "core/random.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>

namespace {

using tessera::RandomStream;

struct Settings {
  std::uint64_t triples = 10'000'000;
  std::uint64_t entities = 1'000'000;
  std::uint64_t relations = 1'000;
  std::uint64_t communities = 0;  // 0: none
  std::uint64_t seed = 1;
  bool ntriples = false;
};

// A rank in [0, count) with probability about 1 / (rank + 1)^exponent, exponent < 1, by the inverse of the
// distribution.
std::uint64_t zipf(double uniform, std::uint64_t count, double exponent) {
  const double power = 1 - exponent;
  const double most = std::pow(static_cast<double>(count) + 1, power) - 1;
  const auto rank = static_cast<std::uint64_t>(std::pow(most * uniform + 1, 1 / power)) - 1;
  return rank < count ? rank : count - 1;
}

// "<stem>" and 4 to 14 characters that depend on the rank only, then the rank: names differ in length and sort unlike
// ranks.
void append_name(std::string& line, std::string_view stem, std::uint64_t rank) {
  static constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz012345";
  line.append(stem);
  std::uint64_t bits = (rank + 1) * 0x9E3779B97F4A7C15ULL;
  bits ^= bits >> 29U;
  for (std::uint64_t letters = 4 + bits % 11; letters > 0;
       --letters, bits = bits * 6364136223846793005ULL + 1442695040888963407ULL)
    line.push_back(kLetters[bits >> 59U]);
  line.push_back('_');
  std::array<char, 20> digits{};
  line.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), rank).ptr);
}

constexpr double kShareWithin = 0.8;  // of the triples, within a community

// The tail of a triple with this head; `choice` and `uniform` are in (0, 1).
std::uint64_t tail_of(std::uint64_t head, double choice, double uniform, const Settings& settings) {
  const std::uint64_t communities = settings.communities;
  if (communities == 0 || choice >= kShareWithin) return zipf(uniform, settings.entities, 0.7);
  const std::uint64_t community = head % communities;
  const std::uint64_t members = (settings.entities - community + communities - 1) / communities;
  return zipf(uniform, members, 0.7) * communities + community;
}

void write_triples(const Settings& settings) {
  const RandomStream stream(settings.seed, tessera::Purpose::kShuffle);
  constexpr std::size_t kBlockBytes = std::size_t{1} << 20U;
  const bool nt = settings.ntriples;
  std::string block;
  for (std::uint64_t i = 0; i < settings.triples; ++i) {
    const auto words = stream.words(i);
    const auto draw = [&](std::size_t word) { return (static_cast<double>(words.at(word)) + 0.5) * 0x1.0p-32; };
    const std::uint64_t head = zipf(draw(0), settings.entities, 0.7);
    append_name(block, nt ? "<http://example.org/entity/" : "ent:", head);
    append_name(block, nt ? "> <http://example.org/relation/" : "\trel:", zipf(draw(1), settings.relations, 0.9));
    append_name(block, nt ? "> <http://example.org/entity/" : "\tent:", tail_of(head, draw(3), draw(2), settings));
    block.append(nt ? "> .\n" : "\n");
    if (block.size() >= kBlockBytes || i + 1 == settings.triples) {
      if (std::fwrite(block.data(), 1, block.size(), stdout) != block.size()) std::perror("generate_graph");
      block.clear();
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  const std::map<std::string_view, std::uint64_t*> numbers = {{"--triples", &settings.triples},
                                                              {"--entities", &settings.entities},
                                                              {"--relations", &settings.relations},
                                                              {"--communities", &settings.communities},
                                                              {"--seed", &settings.seed}};
  for (int i = 1; i < argc; ++i) {
    const std::string_view key = argv[i];
    if (key == "--ntriples") {
      settings.ntriples = true;
      continue;
    }
    const auto found = numbers.find(key);
    const std::string_view value = i + 1 < argc ? argv[++i] : "";
    if (found == numbers.end() ||
        std::from_chars(value.data(), value.data() + value.size(), *found->second).ptr != value.data() + value.size() ||
        value.empty()) {
      std::fprintf(stderr,
                   "usage: generate_graph [--triples N] [--entities N] [--relations N] [--communities N] [--seed N] "
                   "[--ntriples]\n");
      return 64;
    }
  }
  write_triples(settings);
  return 0;
}
