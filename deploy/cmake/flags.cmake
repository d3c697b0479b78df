# Warnings are errors on both compilers.  Assertions stay in every build: a
# broken invariant shall stop where it is, not three calls later, so NDEBUG is
# never defined.
foreach(config RELEASE RELWITHDEBINFO MINSIZEREL)
  string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_${config} "${CMAKE_C_FLAGS_${config}}")
endforeach()

add_compile_options(-Wall -Wextra -Werror -Wshadow -Wconversion -Wswitch-enum
                    -Wstrict-prototypes -Wmissing-prototypes -Wvla
                    -fno-omit-frame-pointer)
add_compile_definitions(_GNU_SOURCE)

if(MUSTER_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
elseif(MUSTER_TSAN)
  add_compile_options(-fsanitize=thread)
  add_link_options(-fsanitize=thread)
else()
  add_compile_options(-fstack-protector-strong)
  add_compile_definitions($<$<NOT:$<CONFIG:Debug>>:_FORTIFY_SOURCE=2>)
  add_link_options(-Wl,-z,relro,-z,now)
endif()
if(MUSTER_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# muster_folder(target [PRIVATE_HEADERS] [LINK targets...] [PRIVATE targets...]):
# a static library from every .c file of the current folder.  Whoever links it
# sees its headers, unless they are private.
function(muster_folder target)
  cmake_parse_arguments(ARG "PRIVATE_HEADERS" "" "LINK;PRIVATE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
  add_library(${target} STATIC ${sources})
  if(ARG_PRIVATE_HEADERS)
    muster_headers(${target} PRIVATE)
  else()
    muster_headers(${target} PUBLIC)
  endif()
  target_link_libraries(${target} PUBLIC ${ARG_LINK} PRIVATE ${ARG_PRIVATE})
endfunction()

# The headers of the current folder, for #include "..." alone: our limits.h
# must never stand in for <limits.h>.
function(muster_headers target visibility)
  target_compile_options(${target} ${visibility} "SHELL:-iquote ${CMAKE_CURRENT_SOURCE_DIR}")
endfunction()
