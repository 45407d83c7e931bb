// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "storage/hdf5.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>

namespace tessera::cli {

/// The attributes of a file with `entities` entities: types, encodings, sizes, least and largest values. Reads them
/// all.
nlohmann::ordered_json describe_attributes(const storage::FileReader& file, std::uint64_t entities);

}  // namespace tessera::cli
