// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Names as graph.h5 has them: bytes per name, and look-ups on one core from the page cache. The names are generated,
// like the entities of YAGO (titles of Wikipedia), or the lines of a file. Prints one JSON object.
//   names_bench [--names N] [--seed S] [--file NAMES] [--look-ups N] [--folder FOLDER]
#include "core/random.hpp"
#include "storage/hdf5.hpp"
#include "storage/string_blocks.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

using tessera::RandomStream;
using tessera::storage::PackedStrings;
using tessera::storage::StringBlocks;

struct Settings {
  std::uint64_t names = 1'000'000;
  std::uint64_t seed = 1;
  std::uint64_t look_ups = 1'000'000;
  std::string file;
  std::string folder = std::filesystem::temp_directory_path().string();
};

/// Numbers of one name.
class Dice {
 public:
  Dice(const RandomStream& stream, std::uint64_t name) : stream_(stream), at_(name << 8U) {}
  std::uint64_t below(std::uint64_t bound) { return stream_.below(at_++, bound); }
  /// Small numbers more often.
  std::uint64_t skewed(std::uint64_t bound) { return below(1 + below(bound)); }

 private:
  const RandomStream& stream_;
  std::uint64_t at_;
};

/// A word of two to four syllables, the same for the same number.
std::string word(std::uint64_t number) {
  static constexpr std::array<std::string_view, 32> kStarts = {
      "b", "br", "c",  "ch", "d", "dr", "f",  "g", "gr", "h", "j",  "k", "l", "m", "n", "p",
      "r", "s",  "sh", "st", "t", "th", "tr", "v", "w",  "z", "kr", "m", "s", "l", "b", "f"};
  static constexpr std::array<std::string_view, 16> kVowels = {"a", "e", "i", "o",  "u",  "a",  "e", "o",
                                                               "a", "e", "i", "ai", "ou", "ee", "é", "ö"};
  static constexpr std::array<std::string_view, 16> kEnds = {"", "", "n",  "r",  "l",  "s",  "",  "n",
                                                             "", "", "nd", "rt", "ck", "ll", "m", "ng"};
  std::uint64_t bits = (number + 1) * 0x9E3779B97F4A7C15ULL;
  bits ^= bits >> 29U;
  std::string text;
  for (std::uint64_t syllables = 2 + bits % 3; syllables > 0; --syllables) {
    bits = bits * 6364136223846793005ULL + 1442695040888963407ULL;
    text.append(kStarts.at(bits >> 59U)).append(kVowels.at(bits >> 55U & 15U)).append(kEnds.at(bits >> 51U & 15U));
  }
  if (text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

std::string first_name(Dice& dice) {
  static constexpr std::array<std::string_view, 32> kNames = {
      "John",   "William", "James",  "George", "Robert", "Charles", "David",  "Thomas", "Maria", "Michael", "Mary",
      "Peter",  "Paul",    "Albert", "Anna",   "Henry",  "Joseph",  "Daniel", "Frank",  "Jean",  "Karl",    "Richard",
      "Edward", "Carlos",  "Hans",   "Elena",  "Walter", "Ivan",    "Arthur", "Louis",  "Juan",  "Sarah"};
  return dice.below(4) < 3 ? std::string(kNames.at(dice.skewed(kNames.size()))) : word(dice.skewed(2000));
}

std::string place(Dice& dice) {
  static constexpr std::array<std::string_view, 12> kRegions = {"Texas",       "Ohio",    "California", "Pennsylvania",
                                                                "New_York",    "Bavaria", "Ontario",    "Queensland",
                                                                "North_Wales", "Kent",    "Iowa",       "Punjab"};
  std::string name = word(dice.skewed(200'000));
  if (dice.below(3) == 0) name.insert(0, dice.below(2) == 0 ? "San_" : "New_");
  if (dice.below(2) == 0) name.append(",_").append(kRegions.at(dice.skewed(kRegions.size())));
  return name;
}

std::string work(Dice& dice) {
  static constexpr std::array<std::string_view, 8> kKinds = {"film", "album", "novel",      "TV_series",
                                                             "song", "band",  "video_game", "magazine"};
  std::string name = dice.below(3) == 0 ? "The_" : "";
  name += word(dice.skewed(60'000));
  for (std::uint64_t more = dice.below(3); more > 0; --more) name += "_" + word(dice.skewed(60'000));
  if (dice.below(2) == 0) name.append("_(").append(kKinds.at(dice.skewed(kKinds.size()))).append(")");
  return name;
}

std::string person(Dice& dice) {
  static constexpr std::array<std::string_view, 8> kTrades = {"footballer", "politician", "actor",      "musician",
                                                              "cricketer",  "writer",     "ice_hockey", "baseball"};
  std::string name = first_name(dice);
  if (dice.below(5) == 0) name.append("_").append(1, static_cast<char>('A' + dice.below(26))).append(".");
  name += "_" + word(dice.skewed(400'000));
  if (dice.below(8) == 0) name.append("_(").append(kTrades.at(dice.skewed(kTrades.size()))).append(")");
  return name;
}

std::string title(Dice& dice) {
  const std::uint64_t kind = dice.below(100);
  const std::string year = std::to_string(1700 + dice.below(320));
  if (kind < 48) return person(dice);
  if (kind < 68) return place(dice);
  if (kind < 86) return work(dice);
  if (kind < 89) return "Battle_of_" + place(dice) + (dice.below(2) == 0 ? "_(" + year + ")" : "");
  if (kind < 91) return "University_of_" + place(dice);
  if (kind < 94) return place(dice) + (dice.below(2) == 0 ? "_F.C." : "_Airport");
  if (kind < 96) return year + "_" + place(dice) + "_Open";
  return word(dice.skewed(50'000)) + "_" + word(dice.skewed(50'000)) + (dice.below(2) == 0 ? "_River" : "_County");
}

std::vector<std::string> make_names(const Settings& settings) {
  std::vector<std::string> names;
  if (!settings.file.empty()) {
    std::ifstream in(settings.file);
    for (std::string line; std::getline(in, line);)
      if (!line.empty()) names.push_back(line);
  }
  const RandomStream stream(settings.seed, tessera::Purpose::kShuffle);
  for (std::uint64_t i = 0; settings.file.empty() && i < settings.names; ++i) {
    Dice dice(stream, i);
    names.push_back(title(dice));
  }
  std::sort(names.begin(), names.end());
  // Titles are distinct: one that occurs again gets a number.
  for (std::size_t i = 1, copy = 1; settings.file.empty() && i < names.size(); ++i) {
    const bool again = names[i].compare(0, names[i].find("_#"), names[i - 1], 0, names[i - 1].find("_#")) == 0;
    copy = again ? copy + 1 : 1;
    if (again) names[i] += "_#" + std::to_string(copy);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

/// Of the processor: other programs on the machine do not count.
double seconds_of(const auto& work) {
  const std::clock_t start = std::clock();
  work();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

std::uint64_t resident_kib() {
  std::ifstream in("/proc/self/status");
  for (std::string word; in >> word;)
    if (word == "RssAnon:") {
      std::uint64_t kib = 0;
      in >> kib;
      return kib;
    }
  return 0;
}

struct Result {
  std::uint64_t names = 0;
  double raw = 0;
  double packed = 0;
  double encode_seconds = 0;
  double open_seconds = 0;
  double open_kib = 0;
  double get_seconds = 0;
  double find_seconds = 0;
  double scan_seconds = 0;
  double used_kib = 0;
};

void write(const std::vector<std::string>& names, const std::filesystem::path& file, Result& result) {
  PackedStrings packed;
  result.encode_seconds = seconds_of([&] {
    packed = PackedStrings::encode(names.size(), [&](std::uint64_t i) { return std::string_view(names[i]); });
  });
  result.names = names.size();
  for (const std::string& name : names) result.raw += static_cast<double>(name.size());
  result.packed = static_cast<double>(packed.bytes.size() + packed.symbols.size() + packed.separators.size() +
                                      8 * (packed.page_offsets.size() + packed.separator_offsets.size()));
  tessera::storage::FileWriter writer(file, "names", 1);
  packed.write(writer, "/names", "names");
  writer.close();
}

/// Look-ups in random order; the best of some rounds, the first of which fills the caches.
void look_up(const std::vector<std::string>& names, const std::filesystem::path& file, const Settings& settings,
             Result& result) {
  const auto reader = tessera::storage::FileReader::open_unverified(file);
  const double before = static_cast<double>(resident_kib());
  result.open_seconds = seconds_of([&] { (void)StringBlocks::open(reader, "/names"); });
  const StringBlocks blocks = StringBlocks::open(reader, "/names");
  result.open_kib = static_cast<double>(resident_kib()) - before;
  const RandomStream stream(settings.seed, tessera::Purpose::kSplit);
  std::vector<std::uint64_t> ranks(settings.look_ups);
  std::vector<std::string> asked(settings.look_ups);
  for (std::uint64_t i = 0; i < ranks.size(); ++i) asked[i] = names[ranks[i] = stream.below(i, names.size())];
  std::uint64_t wrong = 0;
  const double around = static_cast<double>(resident_kib());
  result.get_seconds = result.find_seconds = 1e9;
  for (int round = 0; round < 4; ++round) {
    result.get_seconds = std::min(result.get_seconds, seconds_of([&] {
                                    for (std::uint64_t i = 0; i < ranks.size(); ++i)
                                      wrong += blocks.get(ranks[i]).size() != asked[i].size() ? 1 : 0;
                                  }));
    result.find_seconds = std::min(result.find_seconds, seconds_of([&] {
                                     for (std::uint64_t i = 0; i < ranks.size(); ++i)
                                       wrong += blocks.find(asked[i]) != ranks[i] ? 1 : 0;
                                   }));
  }
  result.used_kib = static_cast<double>(resident_kib()) - around + result.open_kib;
  std::uint64_t at = 0;
  result.scan_seconds = seconds_of([&] {
    for (std::uint64_t block = 0; block < blocks.block_count(); ++block)
      for (const std::string& name : blocks.block(block)) wrong += name != names[at++] ? 1 : 0;
  });
  if (wrong != 0 || at != names.size()) {
    std::fprintf(stderr, "names_bench: %llu look-ups gave something else\n", static_cast<unsigned long long>(wrong));
    std::exit(70);
  }
}

void print(const Settings& settings, const Result& result) {
  const auto names = static_cast<double>(result.names);
  const auto look_ups = static_cast<double>(settings.look_ups);
  std::printf(
      "{\"names\": %llu, \"raw_bytes_per_name\": %.3f, \"packed_bytes_per_name\": %.3f, \"share_of_raw\": %.4f,\n"
      " \"encode_mb_per_s\": %.1f, \"open_ms\": %.2f, \"open_kib\": %.0f, \"used_kib\": %.0f,\n"
      " \"id_to_name_m_per_s\": %.3f, \"name_to_id_m_per_s\": %.3f, \"scan_m_per_s\": %.2f}\n",
      static_cast<unsigned long long>(result.names), result.raw / names, result.packed / names,
      result.packed / result.raw, result.raw / result.encode_seconds / 1e6, 1e3 * result.open_seconds, result.open_kib,
      result.used_kib, look_ups / result.get_seconds / 1e6, look_ups / result.find_seconds / 1e6,
      names / result.scan_seconds / 1e6);
}

bool parse(int argc, char** argv, Settings& settings) {
  const std::map<std::string_view, std::uint64_t*> numbers = {
      {"--names", &settings.names}, {"--seed", &settings.seed}, {"--look-ups", &settings.look_ups}};
  const std::map<std::string_view, std::string*> texts = {{"--file", &settings.file}, {"--folder", &settings.folder}};
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view key = argv[i];
    const std::string_view value = argv[i + 1];
    if (texts.contains(key))
      *texts.at(key) = value;
    else if (!numbers.contains(key) ||
             std::from_chars(value.data(), value.data() + value.size(), *numbers.at(key)).ec != std::errc())
      return false;
  }
  return argc % 2 == 1;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  if (!parse(argc, argv, settings)) {
    std::fprintf(stderr, "usage: names_bench [--names N] [--seed S] [--file NAMES] [--look-ups N] [--folder FOLDER]\n");
    return 64;
  }
  const std::vector<std::string> names = make_names(settings);
  const auto file = std::filesystem::path(settings.folder) / "names_bench.h5";
  Result result;
  write(names, file, result);
  look_up(names, file, settings, result);
  std::filesystem::remove(file);
  print(settings, result);
  return 0;
}
