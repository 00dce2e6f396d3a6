import FurcCommands

FurcTool.main()
