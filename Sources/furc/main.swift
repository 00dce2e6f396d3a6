print("furc")
