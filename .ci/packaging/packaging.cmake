# `cmake --install` and `cpack`: the programs, their pages for `man`, and completion for bash and zsh. A Debian package for
# each program, as a machine that runs workers needs no operator.
include(GNUInstallDirs)
set(pages ${CMAKE_BINARY_DIR}/man)
find_program(HELP2MAN help2man)

set(summary_inference-operator "Operator of Elastic Inference: keeps InferenceServices running and scales them")
set(summary_inference-dispatcher "Dispatcher of Elastic Inference: one queue for all workers of a service")
set(summary_inference-worker "Worker of Elastic Inference: classifies pictures on one core")
set(summary_inference-bench "Load generator and simulator of Elastic Inference")

set(packaged "")
foreach(program ${programs})
  if(NOT TARGET ${program})
    continue()
  endif()
  list(APPEND packaged ${program})
  install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT ${program})
  install(FILES ${CMAKE_CURRENT_LIST_DIR}/completion.bash RENAME ${program}
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT ${program})
  install(FILES ${CMAKE_CURRENT_LIST_DIR}/completion.zsh RENAME _${program}
    DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions COMPONENT ${program})
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE RENAME copyright
    DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${program} COMPONENT ${program})
  if(HELP2MAN)
    # The page is the program's own --help, so that the two cannot differ.
    add_custom_command(OUTPUT ${pages}/${program}.1
      COMMAND ${CMAKE_COMMAND} -E make_directory ${pages}
      COMMAND ${HELP2MAN} --no-info --name=${summary_${program}} --output=${pages}/${program}.1 $<TARGET_FILE:${program}>
      DEPENDS ${program} VERBATIM)
    list(APPEND page_files ${pages}/${program}.1)
    install(FILES ${pages}/${program}.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT ${program} OPTIONAL)
  endif()
endforeach()
# Not with every build: `ninja man`, which .ci/release does. The programs have to run for it.
add_custom_target(man DEPENDS ${page_files})

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME elastic-inference)
set(CPACK_PACKAGE_CONTACT "Elastic Inference <maintainers@elasticinference.dev>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Elastic image classification on CPUs")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL ${packaged})
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
# The libraries that the programs are linked with, as Debian's own packages find theirs.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
foreach(program ${packaged})
  string(TOUPPER ${program} key)
  set(CPACK_DEBIAN_${key}_PACKAGE_NAME ${program})
  set(CPACK_DEBIAN_${key}_DESCRIPTION "${summary_${program}}")
endforeach()
set(CPACK_DEBIAN_INFERENCE-OPERATOR_PACKAGE_RECOMMENDS "inference-dispatcher, inference-worker") # for --local
# Without an OpenBLAS LibTorch takes the reference BLAS, 40 times slower; nothing links it.
set(CPACK_DEBIAN_INFERENCE-WORKER_PACKAGE_DEPENDS "libopenblas0-pthread | libopenblas0")
include(CPack)
